"""`alembic upgrade head` and `alembic check`, run as commands on a database of PostgreSQL 18."""

from pathlib import Path
from shutil import copytree
from typing import LiteralString

import psycopg
import pytest
from sqlalchemy.exc import DatabaseError

from api_main.migrations import files
from api_main.migrations.setup import prepare_database
from tests.migrations.databases import check, history, rows, run_prelude, schema, upgrade
from tests.postgres_servers import Server

OURS = "select nspname from pg_namespace where nspname in ('private', 'supabase_migrations', 'auth')"


@pytest.fixture
def url(server: Server) -> str:
    """A database with what Supabase would have brought, and no more."""
    url = server.url(server.new_database())
    run_prelude(url)
    return url


def test_upgrade_enters_every_file_with_its_name_and_its_text(url: str) -> None:
    upgrade(url)
    sources = sorted(files.DIRECTORY.glob("*.sql"))
    assert history(url) == [(*path.stem.split("_", 1), [path.read_text(encoding="utf-8")]) for path in sources]


def test_a_second_upgrade_does_nothing(url: str) -> None:
    upgrade(url)
    before = schema(url), history(url)
    upgrade(url)
    assert (schema(url), history(url)) == before


def test_check_finds_no_difference_between_models_and_database(url: str) -> None:
    upgrade(url)
    assert check(url) == (0, "No new upgrade operations detected.\n")


@pytest.mark.parametrize(
    "change",
    [
        "alter table public.tasks add estimate integer",
        "alter table public.tasks drop due_at cascade",
        "alter table public.tasks alter version type bigint",
        "alter table public.profiles alter is_active drop not null",
    ],
)
def test_check_notices_a_database_that_differs_from_the_models(url: str, change: LiteralString) -> None:
    prepare_database(url, login_password=None)
    with psycopg.connect(url) as connection:
        connection.execute(change)
    code, said = check(url)
    assert code != 0
    assert "New upgrade operations detected" in said


def test_a_migration_that_fails_leaves_nothing_behind(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.url(server.new_database())
    broken = copytree(files.DIRECTORY, tmp_path / "migrations")
    last = max(broken.iterdir())
    last.write_text(last.read_text(encoding="utf-8") + "\nselect 1 / 0;", encoding="utf-8")
    monkeypatch.setattr(files, "DIRECTORY", broken)
    with pytest.raises(DatabaseError, match="division by zero"):
        prepare_database(url, login_password=None)
    assert rows(url, OURS) == []
    monkeypatch.undo()
    prepare_database(url, login_password=None)  # and stands in no later attempt's way
