"""Replicas that start together all try to migrate: one does, the others wait and find it done."""

import os
import subprocess
import sys
from collections.abc import Callable

import psycopg
import pytest

from api_main.migrations import files
from tests.migrations.databases import ROOT, alembic, history, outcome, rows, run_prelude
from tests.patience import wait_until
from tests.postgres_servers import Server

WAITING = """
select count(*) from pg_locks join pg_database d on d.oid = database
where d.datname = current_database() and locktype = 'advisory' and not granted
"""


@pytest.fixture
def url(server: Server) -> str:
    return server.url(server.new_database())


def test_alembic_runs_every_file_once(url: str) -> None:
    run_prelude(url)
    outcomes = _at_once(url, lambda: alembic(url, "upgrade", "head"))
    assert [code for code, _ in outcomes] == [0, 0]
    _assert_migrated(url)


def test_our_own_command_prepares_an_empty_database_once(url: str) -> None:
    assert _at_once(url, lambda: _migrate(url)) == [(0, ""), (0, "")]
    _assert_migrated(url)


def _assert_migrated(url: str) -> None:
    assert len(history(url)) == len(list(files.DIRECTORY.iterdir()))


def _migrate(url: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "api_main", "migrate"],
        cwd=ROOT,
        env={**os.environ, "MIGRATION_DATABASE_URL": url, "API_MAIN_PASSWORD": "of-the-api"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _at_once(url: str, start: Callable[[], subprocess.Popen[str]]) -> list[tuple[int, str]]:
    """Hold the lock until both stand in line for it, which makes their overlap certain."""
    with psycopg.connect(url) as holder:
        holder.execute("select pg_advisory_xact_lock(%s)", [files.ADVISORY_LOCK])
        both = [start(), start()]
        wait_until(lambda: rows(url, WAITING) == [(len(both),)])
    return [outcome(process) for process in both]
