"""The schema `procrastinate` is that of the installed version, and its doors are shut to all but workers."""

import re
import subprocess
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from procrastinate.schema import SchemaManager
from procrastinate.sql import queries
from psycopg.errors import InsufficientPrivilege

from local_stack import programs
from tests.patience import PATIENCE
from tests.people import Person
from tests.rls.stage import identity_of

Admin = psycopg.Connection[Any]

OURS = re.compile(r"^(--|    SET search_path TO|COMMENT ON SCHEMA).*\n", re.MULTILINE)


def dump(url: str, schema: str) -> list[str]:
    """A schema as words of SQL, but for its name and what we add: rights, comments, the search path of functions."""
    options = ["--schema-only", f"--schema={schema}", "--no-privileges", "--no-owner", "--restrict-key=none"]
    done = subprocess.run(
        [programs.binary("pg_dump"), *options, url], capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    return OURS.sub("", done.stdout.replace(f"{schema}.", "").replace(f"SCHEMA {schema};", "")).split()


@pytest.fixture
def shipped(admin: Admin) -> Iterator[str]:
    """A schema as the installed version makes it."""
    admin.execute("create schema shipped")
    admin.execute("set search_path = shipped")
    admin.execute(SchemaManager.get_schema().encode())
    admin.execute("reset search_path")
    yield "shipped"
    admin.execute("drop schema shipped cascade")


def test_the_migrations_make_what_the_installed_version_ships(admin_url: str, shipped: str) -> None:
    ours, theirs = dump(admin_url, "procrastinate"), dump(admin_url, shipped)
    assert len(ours) > 1_000
    assert ours == theirs


@pytest.mark.parametrize("role", ["api_main", "anon", "authenticated", "auth_admin"])
def test_nobody_else_gets_into_the_queue(admin: Admin, role: str) -> None:
    tables = """
      select c.relname from pg_class c where relnamespace = 'procrastinate'::regnamespace and relkind in ('r', 'S')
      and (has_schema_privilege(%(role)s, 'procrastinate', 'usage')
        or relkind = 'r' and has_table_privilege(%(role)s, c.oid, 'select, insert, update, delete, truncate')
        or relkind = 'S' and has_sequence_privilege(%(role)s, c.oid, 'usage, select, update'))
    """
    functions = """
      select proname from pg_proc
      where pronamespace = 'procrastinate'::regnamespace and has_function_privilege(%(role)s, oid, 'execute')
    """
    assert admin.execute(tables, {"role": role}).fetchall() == []
    assert admin.execute(functions, {"role": role}).fetchall() == []


def test_a_worker_may_run_what_it_runs_and_no_more(admin: Admin) -> None:
    runnable = admin.execute("""
      select proname from pg_proc
      where pronamespace = 'procrastinate'::regnamespace and has_function_privilege('job_worker', oid, 'execute')
    """)
    used = ("fetch_job", "finish_job", "retry_job", "register_worker", "unregister_worker", "update_heartbeat",
            "prune_stalled_workers")  # fmt: skip
    assert {name for (name,) in runnable} == {
        name for query in used for name in re.findall(r"procrastinate_\w+_v\d+", queries[query])
    }


def test_a_temporary_table_stands_in_for_no_table_of_the_queue(api_url: str, ada: Person) -> None:
    """Its triggers would run with the rights of whoever owns the function that queues jobs."""
    identity = identity_of(ada)
    with psycopg.connect(api_url) as connection:
        connection.execute("create temporary table procrastinate_jobs (id bigint, queue_name text, args jsonb)")
        connection.execute("grant all on procrastinate_jobs to public")
        connection.execute(
            "select set_config('role', %s, true), set_config('request.jwt.claims', %s, true)",
            (identity.role, identity.claims),
        )
        connection.execute("select private.enqueue_job('tasks.report', '{}', 'low', null, 9)")
        assert connection.execute("select count(*) from pg_temp.procrastinate_jobs").fetchone() == (0,)
        connection.rollback()


def test_people_cannot_do_a_workers_work(api_url: str, ada: Person) -> None:
    identity = identity_of(ada)
    for statement in (
        "select private.tidy_jobs('1 s', 1, '1 s')",
        "insert into public.jobs (owner_id, kind) values (auth.uid(), 'tasks.export')",
        "update public.jobs set state = 'succeeded'",
        "delete from public.jobs",
        "select claims from public.jobs",
        "insert into public.job_files select id, 'result', 0, '' from public.jobs",
    ):
        with psycopg.connect(api_url) as connection:
            connection.execute(
                "select set_config('role', %s, true), set_config('request.jwt.claims', %s, true)",
                (identity.role, identity.claims),
            )
            with pytest.raises(InsufficientPrivilege):
                connection.execute(statement.encode())
            connection.rollback()
