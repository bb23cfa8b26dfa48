"""People with a password, a profile and tasks, and what two databases hold of them."""

import json
from typing import Any
from uuid import UUID, uuid4

import bcrypt
import psycopg

PASSWORD = "correct horse battery staple"
HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
LONG_AGO = "2024-05-06 07:08:09.123456+00"
TABLES = ("auth.users", "auth.identities", "public.profiles", "public.tasks")


def move_in(house: psycopg.Connection[Any], email: str, *, tasks: int = 2, **columns: Any) -> UUID:
    """Create an account as our standalone mode does, some time ago."""
    account = uuid4()
    row = {
        "id": account,
        "aud": "authenticated",
        "role": "authenticated",
        "email": email,
        "encrypted_password": HASH,
        "email_confirmed_at": LONG_AGO,
        "raw_app_meta_data": json.dumps({"provider": "email", "providers": ["email"]}),
        "raw_user_meta_data": json.dumps({"full_name": "Ada", "quote": 'a "b" \\ {c},NULL', "list": [1, None]}),
        "created_at": LONG_AGO,
        "updated_at": LONG_AGO,
        **columns,
    }
    names, values = ", ".join(row), ", ".join(f"%({name})s" for name in row)
    house.execute(f"insert into auth.users ({names}) values ({values})", row)
    house.execute(
        """
        insert into auth.identities (provider_id, user_id, identity_data, provider, created_at, updated_at)
        values (%s, %s, %s, 'email', %s, %s)
        """,
        [str(account), account, json.dumps({"sub": str(account), "email": email}), LONG_AGO, LONG_AGO],
    )
    house.execute("update public.profiles set locale = 'de', full_name = 'Ada L.' where id = %s", [account])
    house.execute(
        """
        insert into public.tasks (owner_id, title, description, priority, due_at, version, created_at, updated_at)
        select %s, 'Task ' || n, E'Line\\n"quoted" \\\\ {x},NULL', 'high', 'infinity', 7, %s, %s
        from generate_series(1, %s) n
        """,
        [account, LONG_AGO, LONG_AGO, tasks],
    )
    return account


def contents(house: psycopg.Connection[Any]) -> dict[str, list[Any]]:
    """Every row of the tables that are moved, in an order that both sides share."""
    return {table: house.execute(f"select to_jsonb(t) from {table} t order by id").fetchall() for table in TABLES}
