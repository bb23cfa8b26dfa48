"""`supabase/tests/*.sql` under pg_prove, as `supabase test db` runs them, with Debian's pgTAP.

PostgreSQL 15 twice: as a hosted project, where `postgres` is no superuser, and as our standalone database. And 18 as a
hosted project; pgTAP is SQL alone, so the same script makes it there.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from tests.postgres_servers import OF_SUPABASE, PASSWORD, Server, require, start_server
from tests.supabase_project.project import create_project, create_roles, create_standalone

TESTS = Path(__file__).resolve().parents[2] / "supabase" / "tests"
NAMES = sorted(path.name for path in TESTS.glob("*.sql"))
PGTAP = Path("/usr/share/postgresql/15/extension")
PREPARE = "create schema if not exists extensions; grant usage on schema extensions to public;"
CREATE_EXTENSION = "create extension if not exists pgtap with schema extensions;"
SECONDS = 300


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, Server]]:
    require((PGTAP / "pgtap.control").exists(), "pgTAP for PostgreSQL 15")
    require(shutil.which("pg_prove") is not None, "pg_prove")
    with ExitStack() as running:
        started = {
            major: running.enter_context(start_server(major, tmp_path_factory.mktemp("pgtap"), OF_SUPABASE))
            for major in (15, 18)
        }
        for server in started.values():
            create_roles(server)
        yield started


@pytest.fixture(scope="module")
def project_15(servers: dict[int, Server]) -> str:
    url = create_project(servers[15], "project")
    _execute(servers[15].url("project"), PREPARE + CREATE_EXTENSION)
    return url


@pytest.fixture(scope="module")
def standalone_15(servers: dict[int, Server]) -> str:
    url = create_standalone(servers[15], "standalone")
    _execute(url, PREPARE + CREATE_EXTENSION)
    return url


@pytest.fixture(scope="module")
def project_18(servers: dict[int, Server]) -> str:
    url = create_project(servers[18], "project")
    script = max(PGTAP.glob("pgtap--?.?.?.sql")).read_text(encoding="utf-8")
    lines = [line for line in script.splitlines() if not line.startswith("\\")]
    _execute(servers[18].url("project"), PREPARE + "set search_path = extensions, public;" + "\n".join(lines))
    return url


@pytest.mark.parametrize("where", ["project_15", "standalone_15", "project_18"])
@pytest.mark.parametrize("name", NAMES)
def test_every_assertion_in_sql_holds(request: pytest.FixtureRequest, tmp_path: Path, where: str, name: str) -> None:
    script = tmp_path / name
    source = (TESTS / name).read_text(encoding="utf-8")
    script.write_text(source.replace(CREATE_EXTENSION, "") if where == "project_18" else source, encoding="utf-8")
    done = _prove(request.getfixturevalue(where), script)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_tests_stands_alone_and_leaves_nothing_behind(name: str) -> None:
    lines = (TESTS / name).read_text(encoding="utf-8").splitlines()
    assert (lines[1], lines[3], lines[-2:]) == ("begin;", CREATE_EXTENSION, ["select * from finish();", "rollback;"])


def test_all_of_them_run_one_after_another_as_the_supabase_cli_does(project_15: str) -> None:
    assert _prove(project_15, TESTS).returncode == 0
    with psycopg.connect(project_15) as connection:
        assert connection.execute("select count(*) from auth.users").fetchone() == (0,)


def test_an_assertion_that_does_not_hold_is_noticed(project_15: str, tmp_path: Path) -> None:
    broken = tmp_path / "tasks.sql"
    source = (TESTS / "tasks.sql").read_text(encoding="utf-8")
    broken.write_text(source.replace("set local role anon", "set local role authenticated"), encoding="utf-8")
    assert _prove(project_15, broken).returncode != 0


def _execute(url: str, statements: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(statements.encode())


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
