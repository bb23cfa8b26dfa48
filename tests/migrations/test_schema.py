"""What the schema does by itself: profiles that follow accounts, versions that count, names that explain."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.errors import NotNullViolation, UniqueViolation

Connection = psycopg.Connection[Any]

ADA = "ada@schema.test"  # nobody whom other tests leave behind

UNINDEXED = """
select conrelid::regclass::text, conname from pg_constraint f
where contype = 'f' and connamespace in ('public'::regnamespace, 'private'::regnamespace, 'auth'::regnamespace)
  and not exists (
    select from pg_index i
    where i.indrelid = f.conrelid and i.indpred is null and i.indisvalid
      and (string_to_array(i.indkey::text, ' ')::smallint[])[1:cardinality(f.conkey)] @> f.conkey
  )
"""
OURS = "nspname in ('public', 'private')"
UNEXPLAINED = {
    "tables": f"""
        select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = relnamespace
        where {OURS} and relkind in ('r', 'p', 'v', 'm') and obj_description(c.oid, 'pg_class') is null
    """,
    "columns": f"""
        select c.oid::regclass || '.' || attname
        from pg_attribute join pg_class c on c.oid = attrelid join pg_namespace n on n.oid = relnamespace
        where {OURS} and relkind in ('r', 'p', 'v', 'm') and attnum > 0 and not attisdropped
          and col_description(attrelid, attnum) is null
    """,
    "functions": f"""
        select p.oid::regprocedure::text from pg_proc p join pg_namespace n on n.oid = pronamespace
        where {OURS} and obj_description(p.oid, 'pg_proc') is null
    """,
    "types": f"""
        select t.oid::regtype::text from pg_type t join pg_namespace n on n.oid = typnamespace
        where {OURS} and typtype in ('e', 'd') and obj_description(t.oid, 'pg_type') is null
    """,
}
LOOSE_FUNCTIONS = f"""
select p.oid::regprocedure::text from pg_proc p join pg_namespace n on n.oid = pronamespace
where {OURS} and not coalesce(proconfig && array['search_path=""'], false)
"""


@pytest.fixture
def transaction(admin: Connection) -> Iterator[Connection]:
    """A transaction of the administrator of which nothing stays."""
    with admin.transaction(force_rollback=True):
        yield admin


def _create_account(connection: Connection, **columns: Any) -> UUID:
    account = uuid4()
    row = {"id": account, **columns}
    values = ", ".join(f"%({name})s" for name in row)
    connection.execute(f"insert into auth.users ({', '.join(row)}) values ({values})".encode(), row)
    return account


def _profile(connection: Connection, account: UUID) -> tuple[Any, ...] | None:
    return connection.execute("select email, full_name from public.profiles where id = %s", [account]).fetchone()


def test_an_account_made_in_sql_has_a_profile(transaction: Connection) -> None:
    ada = _create_account(transaction, email=ADA, raw_user_meta_data=json.dumps({"full_name": " Ada Lovelace "}))
    assert _profile(transaction, ada) == (ADA, "Ada Lovelace")


def test_an_account_needs_neither_email_nor_metadata(transaction: Connection) -> None:
    assert _profile(transaction, _create_account(transaction)) == (None, None)


@pytest.mark.parametrize(
    ("metadata", "full_name"),
    [
        ([], None),
        (["full_name"], None),
        ("full_name", None),
        (7, None),
        (None, None),
        ({}, None),
        ({"full_name": None}, None),
        ({"full_name": ""}, None),
        ({"full_name": " \t\n "}, None),
        ({"full_name": 7}, "7"),
        ({"full_name": False}, "false"),
        ({"full_name": {"first": "Ada"}}, '{"first": "Ada"}'),
        ({"full_name": "é" * 300}, "é" * 255),
        ({"full_name": " " * 300 + "Ada"}, "Ada"),
        ({"full_name": "'); drop table public.tasks; --"}, "'); drop table public.tasks; --"),
        ({"id": 1, "email": "root@example.com", "is_superuser": True, "is_active": False}, None),
    ],
)
def test_metadata_never_keeps_an_account_from_being_made(
    transaction: Connection, metadata: Any, full_name: str | None
) -> None:
    account = _create_account(transaction, email=ADA, raw_user_meta_data=json.dumps(metadata))
    assert _profile(transaction, account) == (ADA, full_name)
    rights = transaction.execute("select is_superuser, is_active from public.profiles where id = %s", [account])
    assert rights.fetchone() == (False, True)


def test_a_profile_follows_the_email_of_its_account(transaction: Connection) -> None:
    ada = _create_account(transaction, email=ADA, raw_user_meta_data='{"full_name": "Ada"}')
    transaction.execute("update auth.users set email = 'lovelace@schema.test' where id = %s", [ada])
    assert _profile(transaction, ada) == ("lovelace@schema.test", "Ada")
    transaction.execute("update auth.users set email = null where id = %s", [ada])
    assert _profile(transaction, ada) == (None, "Ada")


def test_a_name_that_was_chosen_outlives_changes_of_the_account(transaction: Connection) -> None:
    ada = _create_account(transaction, raw_user_meta_data='{"full_name": "Ada"}')
    transaction.execute("update public.profiles set full_name = 'Countess' where id = %s", [ada])
    transaction.execute("""update auth.users set raw_user_meta_data = '{"full_name": "Ada King"}'""")
    assert _profile(transaction, ada) == (None, "Countess")


def test_an_account_goes_with_its_profile_its_tasks_and_its_sessions(transaction: Connection) -> None:
    ada, bob = _create_account(transaction), _create_account(transaction)
    for account in (ada, bob):
        transaction.execute("insert into public.tasks (owner_id, title) values (%s, 'A task')", [account])
        transaction.execute("insert into auth.sessions (user_id) values (%s)", [account])
    transaction.execute("delete from auth.users where id = %s", [ada])
    assert _profile(transaction, ada) is None
    assert _owned(transaction, ada) == (0, 0)
    assert _owned(transaction, bob) == (1, 1)


def _owned(connection: Connection, account: UUID) -> tuple[Any, ...] | None:
    tasks, sessions = (
        "select count(*) from public.tasks where owner_id",
        "select count(*) from auth.sessions where user_id",
    )
    return connection.execute(f"select ({tasks} = %s), ({sessions} = %s)".encode(), [account] * 2).fetchone()


def test_two_accounts_cannot_have_one_email(transaction: Connection) -> None:
    _create_account(transaction, email=ADA)
    with pytest.raises(UniqueViolation):
        _create_account(transaction, email=ADA)


def test_a_task_without_an_owner_and_without_a_caller_is_refused(transaction: Connection) -> None:
    with pytest.raises(NotNullViolation, match="owner_id"):
        transaction.execute("insert into public.tasks (title) values ('Nobody''s')")


def test_every_change_of_a_task_counts_and_nobody_sets_the_count(admin: Connection) -> None:
    ada = _create_account(admin)
    admin.execute("insert into public.tasks (owner_id, title) values (%s, 'One')", [ada])
    read = "returning version, updated_at > created_at"
    task = b"update public.tasks set "
    where = f" where owner_id = %s {read}".encode()
    for version, change in enumerate((b"title = 'Two'", b"version = 99", b"updated_at = 'epoch'"), start=2):
        assert admin.execute(task + change + where, [ada]).fetchone() == (version, True)
    admin.execute("delete from auth.users where id = %s", [ada])


def test_a_change_of_a_profile_is_dated(admin: Connection) -> None:
    ada = _create_account(admin)
    change = "update public.profiles set locale = 'pt-BR', updated_at = 'epoch' where id = %s"
    dated = admin.execute(f"{change} returning updated_at > created_at".encode(), [ada])
    assert dated.fetchone() == (True,)
    admin.execute("delete from auth.users where id = %s", [ada])


def test_every_foreign_key_has_an_index(admin: Connection) -> None:
    assert admin.execute(UNINDEXED).fetchall() == []


@pytest.mark.parametrize("kind", UNEXPLAINED)
def test_everything_has_a_comment(admin: Connection, kind: str) -> None:
    assert admin.execute(UNEXPLAINED[kind].encode()).fetchall() == []


def test_every_function_fixes_its_search_path(admin: Connection) -> None:
    assert admin.execute(LOOSE_FUNCTIONS.encode()).fetchall() == []


def test_no_function_that_acts_as_its_owner_is_where_an_api_exposes_it(admin: Connection) -> None:
    """Lints 0028 and 0029 of Supabase, which the CLI does not have."""
    exposed = "select proname from pg_proc where prosecdef and pronamespace = 'public'::regnamespace"
    assert admin.execute(exposed).fetchall() == []


def test_an_anonymous_caller_reaches_no_table(admin: Connection) -> None:
    """Lint 0026 of Supabase, which the CLI does not have."""
    reached = """
        select oid::regclass from pg_class
        where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm')
          and has_any_column_privilege('anon', oid, 'select, insert, update')
    """
    assert admin.execute(reached).fetchall() == []
