"""`supabase/tests/*.sql`, as `supabase test db` runs them, on PostgreSQL 15 with Debian's pgTAP."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.supabase_project.project import create_project, create_roles, create_standalone
from tests.supabase_project.server import PASSWORD, Server, require, start_server

TESTS = Path(__file__).resolve().parents[2] / "supabase" / "tests"
PGTAP = Path("/usr/share/postgresql/15/extension/pgtap.control")
SECONDS = 60


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    require(PGTAP.exists(), "pgTAP for PostgreSQL 15")
    require(shutil.which("pg_prove") is not None, "pg_prove")
    with start_server(15, tmp_path_factory.mktemp("pgtap")) as running:
        create_roles(running)
        yield running


@pytest.fixture(scope="module")
def project(server: Server) -> str:
    """A hosted project: its `postgres` runs the tests."""
    url = create_project(server, "project")
    _install_pgtap(server.url("project"))
    return url


@pytest.fixture(scope="module")
def standalone(server: Server) -> str:
    """Our own database: its administrator runs the tests."""
    url = create_standalone(server, "standalone")
    _install_pgtap(url)
    return url


@pytest.mark.parametrize("where", ["project", "standalone"])
@pytest.mark.parametrize("name", sorted(path.name for path in TESTS.glob("*.sql")))
def test_every_assertion_in_sql_holds(request: pytest.FixtureRequest, where: str, name: str) -> None:
    done = _prove(request.getfixturevalue(where), TESTS / name)
    assert done.returncode == 0, done.stdout


def test_an_assertion_that_does_not_hold_is_noticed(project: str, tmp_path: Path) -> None:
    broken = tmp_path / "tasks.sql"
    source = (TESTS / "tasks.sql").read_text(encoding="utf-8")
    broken.write_text(source.replace("set local role anon", "set local role authenticated"), encoding="utf-8")
    assert _prove(project, broken).returncode != 0


def test_the_tests_leave_nothing_behind(project: str) -> None:
    _prove(project, TESTS)
    with psycopg.connect(project) as connection:
        assert connection.execute("select count(*) from auth.users").fetchone() == (0,)


def _install_pgtap(administrator: str) -> None:
    with psycopg.connect(administrator) as connection:
        connection.execute("create schema if not exists extensions")
        connection.execute("grant usage on schema extensions to public")
        connection.execute("create extension pgtap with schema extensions")


def _prove(url: str, what: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["pg_prove", "--recurse", "--verbose", "--ext", ".sql", "--dbname", url, str(what)],
        env={"PATH": os.environ["PATH"], "PGPASSWORD": PASSWORD},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
