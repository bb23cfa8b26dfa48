"""Caller by table by verb, straight in SQL: whose rows each caller reaches."""

from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from tests.rls.stage import CALLERS, TABLES, Caller, Cursor, Stage

# Each cell has four letters, for select, insert, update and delete:
# - refused · . allowed, but reaches no row · o the caller's own rows · a everybody's rows
# The new rows name their owner, which people may not do in api_tokens and idempotency_keys: theirs are their own.
MATRICES = (
    """
              | public.tasks | public.profiles | public.api_tokens
 the login    | ----         | ----            | ----
 nobody       | ----         | ----            | ----
 an impostor  | ----         | ----            | ----
 no claims    | .-..         | .-.-            | .--.
 a stranger   | .-..         | .-.-            | .--.
 ada          | oooo         | o-o-            | o--o
 bob          | oooo         | o-o-            | o--o
 superuser    | oooo         | a-o-            | o--o
 ex-superuser | oooo         | o-o-            | o--o
 auth_admin   | ----         | ----            | ----
 embedder     | a---         | ----            | ----
 service_role | aaaa         | aaaa            | aaaa
 job_worker   | ----         | ----            | ----
""",
    """
              | public.jobs | public.job_files
 the login    | ----        | ----
 nobody       | ----        | ----
 an impostor  | ----        | ----
 no claims    | .---        | .---
 a stranger   | .---        | .---
 ada          | o---        | o---
 bob          | o---        | o---
 superuser    | o---        | o---
 ex-superuser | o---        | o---
 auth_admin   | ----        | ----
 service_role | aaaa        | aaaa
 embedder     | ----        | ----
 job_worker   | a-a.        | aa-.
""",
    """
              | public.task_embeddings | private.tasks_to_embed
 the login    | ----                   | ----
 nobody       | ----                   | ----
 an impostor  | ----                   | ----
 no claims    | .---                   | ----
 a stranger   | .---                   | ----
 ada          | o---                   | ----
 bob          | o---                   | ----
 superuser    | o---                   | ----
 ex-superuser | o---                   | ----
 auth_admin   | ----                   | ----
 embedder     | aaa-                   | aaaa
 service_role | aaaa                   | aaaa
 job_worker   | ----                   | ----
""",
    """
              | public.idempotency_keys
 the login    | ----
 nobody       | ----
 an impostor  | ----
 no claims    | .--.
 a stranger   | .--.
 ada          | o--o
 bob          | o--o
 superuser    | o--o
 ex-superuser | o--o
 auth_admin   | ----
 embedder     | ----
 service_role | aaaa
 job_worker   | ----
""",
    """
              | public.live_feeds | public.live_events | private.presences
 the login    | ----              | ----               | ----
 nobody       | ----              | ----               | ----
 an impostor  | ----              | ----               | ----
 no claims    | .---              | .---               | ----
 a stranger   | .---              | .---               | ----
 ada          | o---              | o---               | ----
 bob          | o---              | o---               | ----
 superuser    | o---              | o---               | ----
 ex-superuser | o---              | o---               | ----
 auth_admin   | ----              | ----               | ----
 embedder     | ----              | ----               | ----
 service_role | aaaa              | aaaa               | ----
 job_worker   | ----              | ----               | ----
""",
    """
              | auth.users | auth.sessions | auth.identities
 the login    | ----       | ----          | ----
 nobody       | ----       | ----          | ----
 an impostor  | ----       | ----          | ----
 no claims    | ----       | ----          | ----
 a stranger   | ----       | ----          | ----
 ada          | ----       | ----          | ----
 bob          | ----       | ----          | ----
 superuser    | ----       | ----          | ----
 ex-superuser | ----       | ----          | ----
 auth_admin   | aaaa       | aaaa          | aaaa
 embedder     | ----       | ----          | ----
 service_role | aaaa       | aaaa          | aaaa
 job_worker   | ----       | ----          | ----
""",
    """
              | auth.mfa_amr_claims | auth.one_time_tokens | auth.flow_state
 the login    | ----                | ----                 | ----
 nobody       | ----                | ----                 | ----
 an impostor  | ----                | ----                 | ----
 no claims    | ----                | ----                 | ----
 a stranger   | ----                | ----                 | ----
 ada          | ----                | ----                 | ----
 bob          | ----                | ----                 | ----
 superuser    | ----                | ----                 | ----
 ex-superuser | ----                | ----                 | ----
 auth_admin   | aaaa                | aaaa                 | aaaa
 embedder     | ----                | ----                 | ----
 service_role | aaaa                | aaaa                 | aaaa
 job_worker   | ----                | ----                 | ----
""",
    """
              | private.audit_log
 the login    | ----
 nobody       | ----
 an impostor  | ----
 no claims    | .---
 a stranger   | .---
 ada          | .---
 bob          | .---
 superuser    | a---
 ex-superuser | .---
 auth_admin   | ----
 embedder     | ----
 service_role | a---
 job_worker   | ----
""",
)
VERBS = ("select", "insert", "update", "delete")

# Sums over all tasks, kept by triggers.
NOBODYS = {"private.task_counts", "private.task_count_changes"}
STATEMENTS = {
    "select": "select tasks from {}",
    "insert": "insert into {} (status, priority, due_on, tasks) values ('pending', 'low', 'infinity', 1)",
    "update": "update {} set tasks = 0",
    "delete": "delete from {}",
}


def _cells() -> Iterator[tuple[str, str, str, str]]:
    for matrix in MATRICES:
        header, *rows = ([part.strip() for part in line.split("|")] for line in matrix.strip("\n").splitlines())
        for caller, *cells in rows:
            for table, cell in zip(header[1:], cells, strict=True):
                for verb, letter in zip(VERBS, cell, strict=True):
                    yield caller, table, verb, letter


@pytest.mark.parametrize(("caller", "table", "verb", "expected"), list(_cells()))
def test_a_caller_reaches_exactly_the_rows_of_the_matrix(
    stage: Stage, caller: str, table: str, verb: str, expected: str
) -> None:
    who = CALLERS[caller]
    with stage.enter(who) as cursor:
        try:
            reached = _insert(cursor, table, stage.ids) if verb == "insert" else _reach(cursor, table, verb, stage.ids)
        except InsufficientPrivilege:
            assert expected == "-"
        else:
            assert _letter(stage, who, reached) == expected


def test_the_matrix_has_every_table_and_every_caller(admin: psycopg.Connection[tuple[str]]) -> None:
    tables = admin.execute(
        "select schemaname || '.' || tablename from pg_tables where schemaname in ('public', 'private', 'auth')"
    )
    cells = list(_cells())
    assert {table for _caller, table, *_ in cells} == {name for (name,) in tables} - NOBODYS == set(TABLES)
    assert len(cells) == len(set(cells)) == len(CALLERS) * len(TABLES) * len(VERBS)
    assert {caller for caller, *_ in cells} == set(CALLERS)


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("table", sorted(NOBODYS))
def test_rows_that_are_nobodys_are_for_service_role_to_read(stage: Stage, caller: str, table: str) -> None:
    for verb, statement in STATEMENTS.items():
        with stage.enter(CALLERS[caller]) as cursor:
            if (caller, verb) == ("service_role", "select"):
                cursor.execute(statement.format(table).encode())
                continue
            with pytest.raises(InsufficientPrivilege):
                cursor.execute(statement.format(table).encode())


def _reach(cursor: Cursor, table: str, verb: str, ids: list[UUID]) -> set[UUID]:
    owner, change = TABLES[table].owner, TABLES[table].change
    statement = {
        "select": f"select {owner} from {table} where {owner} = any ($1)",
        "update": f"update {table} set {change} where {owner} = any ($1) returning {owner}",
        "delete": f"delete from {table} where {owner} = any ($1) returning {owner}",
    }[verb]
    return {reached for (reached,) in cursor.execute(statement.encode(), (ids,))}


def _insert(cursor: Cursor, table: str, ids: list[UUID]) -> set[UUID]:
    """For whom the caller may insert a row; an error if for nobody at all."""
    refusals, reached = [], set()
    for owner in ids:
        try:
            with cursor.connection.transaction():
                cursor.execute(f"insert into {table} {TABLES[table].insert}".encode(), (owner,))
        except InsufficientPrivilege as refused:
            refusals.append(refused)
        else:
            reached.add(owner)
    if not reached:
        raise refusals[0]
    return reached


def _letter(stage: Stage, caller: Caller, reached: set[UUID]) -> str:
    own = stage.own_id(caller)
    letters = {frozenset[UUID](): ".", frozenset(stage.ids): "a"}
    if own is not None:
        letters[frozenset([own])] = "o"
    return letters.get(frozenset(reached), f"the rows of {reached}")
