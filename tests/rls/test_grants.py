"""What is granted, column by column: a column that somebody adds is nobody's until this table says otherwise."""

from typing import Any

import psycopg
import pytest
from psycopg.errors import GeneratedAlways, InsufficientPrivilege

from tests.rls.stage import CALLERS, Stage

ROLES = ("api_main", "anon", "authenticated", "auth_admin", "embedder", "job_worker", "observer", "service_role")
EVERYTHING = frozenset({"*"})
OURS = (
    *("public.tasks", "public.profiles", "public.api_tokens", "public.jobs", "public.job_files"),
    *("public.task_embeddings", "private.tasks_to_embed", "public.idempotency_keys"),
    *("public.live_feeds", "public.live_events"),
)
ACCOUNTS = (
    *("auth.users", "auth.sessions", "auth.identities", "auth.mfa_amr_claims", "auth.one_time_tokens"),
    "auth.flow_state",
)
KEPT_BY_TRIGGERS = ("private.audit_log", "private.task_counts", "private.task_count_changes")

JOBS_SHOWN = frozenset(
    {"id", "owner_id", "kind", "parameters", "priority", "state", "attempts", "done", "total", "result", "error"}
    | {"version", "created_at", "started_at", "finished_at", "expires_at"}
)

# Role and table: what may be selected, inserted and updated. What is not listed is not granted at all.
GRANTS: dict[tuple[str, str], dict[str, frozenset[str]]] = {
    ("authenticated", "public.tasks"): {
        "select": EVERYTHING,
        "insert": frozenset({"id", "owner_id", "title", "description", "status", "priority", "due_at"}),
        "update": frozenset({"title", "description", "status", "priority", "due_at"}),
    },
    ("authenticated", "public.profiles"): {
        "select": EVERYTHING,
        "update": frozenset({"username", "full_name", "locale"}),
    },
    ("authenticated", "public.api_tokens"): {
        "select": frozenset({"id", "owner_id", "name", "scopes", "hint", "expires_at", "last_used_at", "created_at"}),
        "insert": frozenset({"id", "name", "scopes", "hint", "digest", "expires_at"}),
    },
    ("authenticated", "public.idempotency_keys"): {
        "select": EVERYTHING,
        "insert": frozenset({"key_digest", "request_digest", "answer"}),
    },
    ("authenticated", "public.task_embeddings"): {"select": EVERYTHING},
    ("embedder", "public.tasks"): {"select": frozenset({"id", "owner_id", "title", "description"})},
    ("embedder", "public.task_embeddings"): {
        "select": frozenset({"task_id", "owner_id", "model", "model_version"}),
        "insert": EVERYTHING,
        "update": frozenset({"owner_id", "model", "model_version", "embedding", "embedded_at"}),
    },
    ("embedder", "private.tasks_to_embed"): {
        "select": EVERYTHING,
        "insert": frozenset({"task_id"}),
        "update": frozenset({"claimed_until"}),
    },
    ("authenticated", "public.jobs"): {"select": JOBS_SHOWN},
    ("authenticated", "public.job_files"): {"select": EVERYTHING},
    ("authenticated", "public.live_feeds"): {"select": EVERYTHING},
    ("authenticated", "public.live_events"): {"select": EVERYTHING},
    ("job_worker", "public.jobs"): {
        "select": EVERYTHING,
        "update": frozenset(
            {"state", "attempts", "done", "total", "result", "error", "started_at", "expires_at", "failures"}
        ),
    },
    ("job_worker", "public.job_files"): {"select": EVERYTHING, "insert": EVERYTHING},
    ("authenticated", "private.audit_log"): {"select": EVERYTHING},
    **{("service_role", table): {"select": EVERYTHING} for table in KEPT_BY_TRIGGERS},
    **{
        (role, table): {"select": EVERYTHING, "insert": EVERYTHING, "update": EVERYTHING}
        for role, tables in {
            "service_role": (*OURS, *ACCOUNTS),
            "auth_admin": ACCOUNTS,
        }.items()
        for table in tables
    },
}

GRANTED = """
select n.nspname || '.' || c.relname, a.attname, has_column_privilege(%(role)s, c.oid, a.attname, %(verb)s)
from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
where n.nspname in ('public', 'private', 'auth')
  and c.relkind in ('r', 'p', 'v', 'm', 'f') and a.attnum > 0 and not a.attisdropped
"""

# (table, column, value): what its owner may not write into a row of their own.
READ_ONLY = [
    ("public.tasks", "owner_id", "gen_random_uuid()"),
    ("public.tasks", "version", "7"),
    ("public.tasks", "created_at", "now()"),
    ("public.tasks", "updated_at", "now()"),
    ("public.tasks", "id", "gen_random_uuid()"),
    ("public.tasks", "search", "''"),
    ("public.profiles", "is_superuser", "true"),
    ("public.profiles", "is_active", "true"),
    ("public.profiles", "email", "'root@example.com'"),
    ("public.profiles", "id", "gen_random_uuid()"),
    ("public.profiles", "created_at", "now()"),
    ("public.profiles", "updated_at", "now()"),
    *[
        ("public.api_tokens", column, value)
        for column, value in {
            "id": "gen_random_uuid()",
            "owner_id": "gen_random_uuid()",
            "name": "'another'",
            "scopes": "'{tasks:write}'",
            "hint": "'other'",
            "digest": "'known'",
            "expires_at": "null",
            "last_used_at": "null",
            "created_at": "now()",
        }.items()
    ],
]


@pytest.mark.parametrize("verb", ["select", "insert", "update"])
@pytest.mark.parametrize("role", ROLES)
def test_a_role_is_granted_exactly_the_columns_of_the_table(
    admin: psycopg.Connection[Any], role: str, verb: str
) -> None:
    rows = admin.execute(GRANTED, {"role": role, "verb": verb}).fetchall()
    granted = {(table, column) for table, column, is_granted in rows if is_granted}
    assert granted == {(table, column) for table, column, _ in rows if _is_expected(role, table, verb, column)}


@pytest.mark.parametrize("verb", ["truncate", "references", "trigger"])
def test_no_role_may_do_to_a_table_what_policies_do_not_bind(admin: psycopg.Connection[Any], verb: str) -> None:
    statement = """
      select r.rolname, c.relname from pg_roles r, pg_class c
      where r.rolname = any (%s) and c.relnamespace in ('public'::regnamespace, 'auth'::regnamespace)
        and c.relkind in ('r', 'p') and has_table_privilege(r.rolname, c.oid, %s)
    """
    assert admin.execute(statement, (list(ROLES), verb)).fetchall() == []


@pytest.mark.parametrize(("table", "column", "value"), READ_ONLY)
@pytest.mark.parametrize("caller", ["ada", "superuser"])
def test_an_owner_cannot_write_what_the_database_keeps(
    stage: Stage, caller: str, table: str, column: str, value: str
) -> None:
    with stage.enter(CALLERS[caller]) as cursor, pytest.raises((InsufficientPrivilege, GeneratedAlways)):
        cursor.execute(f"update {table} set {column} = {value}".encode())


@pytest.mark.parametrize("column", ["version", "created_at", "updated_at"])
def test_a_new_task_cannot_bring_what_the_database_keeps(stage: Stage, column: str) -> None:
    value = "7" if column == "version" else "'2001-01-01'"
    with stage.enter(CALLERS["ada"]) as cursor, pytest.raises(InsufficientPrivilege):
        cursor.execute(f"insert into public.tasks (title, {column}) values ('mine', {value})".encode())


def _is_expected(role: str, table: str, verb: str, column: str) -> bool:
    columns = GRANTS.get((role, table), {}).get(verb, frozenset())
    return column in columns or columns == EVERYTHING
