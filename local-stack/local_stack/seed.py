"""Demo accounts, for a database that has no account yet. Real accounts never get one beside them."""

import json
from uuid import UUID, uuid4

import bcrypt
import psycopg
from psycopg import Cursor

DEMO_PASSWORD = "correct-horse-demo"  # noqa: S105  it is printed for everybody
BCRYPT_COST = 12
SUPERUSER = "admin@example.com"

# title, description, status, priority, due in so many days
Task = tuple[str, str | None, str, str, int | None]

ACCOUNTS: dict[str, tuple[str, list[Task]]] = {
    "ada@example.com": (
        "Ada Lovelace",
        [
            ("Write note G", "The numbers of Bernoulli, step by step", "in_progress", "urgent", 2),
            ("Translate Menabrea's paper", "From French, with notes", "completed", "high", None),
            ("Order punched cards", None, "pending", "medium", 7),
            ("Visit Mr Babbage's workshop", "Ask about the mill and the store", "pending", "high", 1),
            ("Sell the racehorse", None, "cancelled", "low", None),
        ],
    ),
    "grace@example.com": (
        "Grace Hopper",
        [
            ("Tape the moth into the logbook", "Relay 70, panel F", "completed", "low", None),
            ("Finish the compiler", "Nobody believes that it can be done", "in_progress", "urgent", 3),
            ("Cut wires for the talk", "11.8 inches: a nanosecond each", "pending", "medium", 5),
            ("Review the COBOL report", None, "pending", "high", 10),
            ("Set the clock to run backwards", None, "pending", "low", -1),
        ],
    ),
    SUPERUSER: ("Admin", []),
}


def seed(admin_url: str) -> None:
    """Create the demo accounts in one transaction, unless there is any account already."""
    with psycopg.connect(admin_url) as connection, connection.cursor() as cursor:
        if _count(cursor, "select count(*) from auth.users"):
            return
        password = bcrypt.hashpw(DEMO_PASSWORD.encode(), bcrypt.gensalt(BCRYPT_COST)).decode()
        for email, (full_name, tasks) in ACCOUNTS.items():
            account = _insert_account(cursor, email, full_name, password)
            _insert_tasks(cursor, account, tasks)
        cursor.execute("update public.profiles set is_superuser = true where email = %s", [SUPERUSER])


def demo_accounts(admin_url: str) -> list[str]:
    """Return the e-mails of the demo accounts that still exist."""
    with psycopg.connect(admin_url) as connection:
        rows = connection.execute("select email from auth.users where email = any(%s)", [list(ACCOUNTS)])
        return sorted(row[0] for row in rows)


def _count(cursor: Cursor, query: str) -> int:
    row = cursor.execute(query).fetchone()
    return int(row[0]) if row else 0


def _insert_account(cursor: Cursor, email: str, full_name: str, password: str) -> UUID:
    account = uuid4()
    cursor.execute(
        """
        insert into auth.users
          (id, aud, role, email, encrypted_password, email_confirmed_at, raw_app_meta_data, raw_user_meta_data)
        values (%s, 'authenticated', 'authenticated', %s, %s, now(), %s, %s)
        """,
        [
            account,
            email,
            password,
            json.dumps({"provider": "email", "providers": ["email"]}),
            json.dumps({"full_name": full_name}),
        ],
    )
    identity = {"sub": str(account), "email": email, "email_verified": True}
    cursor.execute(
        "insert into auth.identities (provider_id, user_id, identity_data, provider) values (%s, %s, %s, 'email')",
        [str(account), account, json.dumps(identity)],
    )
    return account


def _insert_tasks(cursor: Cursor, account: UUID, tasks: list[Task]) -> None:
    cursor.executemany(
        """
        insert into public.tasks (owner_id, title, description, status, priority, due_at)
        values (%s, %s, %s, %s, %s, now() + make_interval(days => %s))
        """,
        [(account, *task) for task in tasks],
    )
