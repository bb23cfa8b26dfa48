"""The Supabase CLI and Alembic apply the same files, in either order, and the linter finds nothing."""

from pathlib import Path

import psycopg
import pytest

from api_main.migrations import files
from api_main.migrations.setup import prepare_database
from tests.migrations.databases import check, history, run_prelude, schema, upgrade
from tests.migrations.supabase_cli import SupabaseCli
from tests.postgres_servers import Server

NAMES = sorted(path.name for path in files.DIRECTORY.iterdir())


@pytest.fixture
def url(server: Server) -> str:
    """A database as a new Supabase project has it."""
    return _project(server)


def _project(server: Server) -> str:
    url = server.url(server.new_database())
    run_prelude(url)
    return url


def test_both_tools_make_the_same_schema(server: Server, url: str, supabase_cli: SupabaseCli) -> None:
    assert supabase_cli.push(url)["migrations"] == NAMES
    other = _project(server)
    upgrade(other)
    assert schema(url) == schema(other)


def test_alembic_finds_nothing_left_to_do_after_the_cli(url: str, supabase_cli: SupabaseCli) -> None:
    supabase_cli.push(url)
    before = schema(url), history(url)
    upgrade(url)
    assert (schema(url), history(url)) == before
    check(url)


def test_the_cli_finds_nothing_left_to_do_after_alembic(url: str, supabase_cli: SupabaseCli) -> None:
    upgrade(url)
    before = schema(url), history(url)
    assert supabase_cli.push(url)["upToDate"] is True
    assert (schema(url), history(url)) == before


def test_alembic_goes_on_where_the_cli_stopped(url: str, supabase_cli: SupabaseCli, tmp_path: Path) -> None:
    earlier = supabase_cli.with_migrations(tmp_path, count=2)
    assert earlier.push(url)["migrations"] == NAMES[:2]
    upgrade(url)
    assert supabase_cli.push(url)["upToDate"] is True
    assert [version for version, *_ in history(url)] == [name.partition("_")[0] for name in NAMES]


def test_the_cli_goes_on_where_alembic_stopped(url: str, supabase_cli: SupabaseCli, tmp_path: Path) -> None:
    upgrade(url)
    later = supabase_cli.with_migrations(tmp_path, count=len(NAMES))
    (later.migrations / "29991231235959_add_notes.sql").write_text("create table private.notes ();", encoding="utf-8")
    assert later.push(url)["migrations"] == ["29991231235959_add_notes.sql"]


def test_the_linter_warns_of_nothing(url: str, supabase_cli: SupabaseCli) -> None:
    prepare_database(url, login_password=None)
    assert supabase_cli.advisors(url) == []


def test_the_linter_would_warn_of_a_table_without_row_level_security(url: str, supabase_cli: SupabaseCli) -> None:
    prepare_database(url, login_password=None)
    with psycopg.connect(url) as connection:
        connection.execute("create table public.notes (id uuid primary key)")
        connection.execute("grant select on public.notes to anon")
    assert [finding["name"] for finding in supabase_cli.advisors(url)] == ["rls_disabled_in_public"]
