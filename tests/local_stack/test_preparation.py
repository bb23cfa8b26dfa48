"""A database is migrated when it has to be, and a later start does not pay for it again."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from local_stack import preparation
from local_stack.errors import StartError
from local_stack.postgres import EmbeddedPostgres
from local_stack.preparation import prepare
from tests.conftest import API_PASSWORD


@pytest.fixture
def address(postgres: EmbeddedPostgres) -> Iterator[str]:
    with psycopg.connect(postgres.url(), autocommit=True) as admin:
        admin.execute("create database prepared")
        yield postgres.url("prepared")
        admin.execute("drop database prepared with (force)")


def change(address: str, statement: str) -> None:
    with psycopg.connect(address) as admin:
        admin.execute(statement)


def test_only_what_has_changed_is_looked_at_closely(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []
    migrate = preparation._migrate

    def counted(admin_url: str, *, login_password: str, standalone: bool) -> None:
        looks.append(login_password)
        migrate(admin_url, login_password=login_password, standalone=standalone)

    def looked(login_password: str = API_PASSWORD, mark: Path | None = tmp_path / "prepared") -> bool:
        looks.clear()
        prepare(address, login_password=login_password, standalone=True, mark=mark)
        return bool(looks)

    monkeypatch.setattr(preparation, "_migrate", counted)
    assert looked()
    assert not looked()
    assert looked(mark=None)  # a database that is not ours alone
    assert looked("another password")
    assert looked(API_PASSWORD)
    change(address, "delete from supabase_migrations.schema_migrations where version = '1'")
    assert not looked()
    change(address, "insert into supabase_migrations.schema_migrations (version) values ('1')")
    assert looked()


def test_a_database_that_somebody_emptied_is_migrated_again(address: str, tmp_path: Path) -> None:
    mark = tmp_path / "prepared"
    prepare(address, login_password=API_PASSWORD, standalone=True, mark=mark)
    change(
        address,
        "drop schema supabase_migrations, admin, audit, private, procrastinate, auth, public cascade;"
        " create schema public",
    )
    prepare(address, login_password=API_PASSWORD, standalone=True, mark=mark)
    change(address, "select from public.tasks")


def test_a_migration_that_fails_is_one_sentence(address: str) -> None:
    change(address, "create table public.profiles ()")
    with pytest.raises(StartError, match=r'^The database could not be migrated: .*"profiles" already exists\.$'):
        prepare(address, login_password=API_PASSWORD, standalone=True, mark=None)
