"""On a hosted project no superuser migrates, and the `auth` schema belongs to Supabase Auth. It works all the same."""

import json
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from api_main.migrations.setup import prepare_database
from tests.migrations.conftest import NewServer
from tests.migrations.databases import check, history
from tests.migrations.hosted import ADMINISTRATOR, AUTH_SERVICE, PASSWORD, create_project
from tests.migrations.supabase_cli import SupabaseCli
from tests.postgres_servers import PROGRAMS, Server

API_PASSWORD = "of-the-api"


class Project:
    """A hosted project and the addresses of those who use its database."""

    def __init__(self, server: Server) -> None:
        self._server, self._name = server, create_project(server)
        self.admin_url = self._url(ADMINISTRATOR, PASSWORD)
        self.auth_url = self._url(AUTH_SERVICE, PASSWORD)
        self.api_url = self._url("api_main", API_PASSWORD)
        self.early = self.sign_up("early@example.com")

    def _url(self, user: str, password: str) -> str:
        return self._server.url(self._name, user, password)

    def sign_up(self, email: str) -> UUID:
        """What Supabase Auth does."""
        account = uuid4()
        with psycopg.connect(self.auth_url) as connection:
            connection.execute("insert into auth.users (id, email) values (%s, %s)", [account, email])
        return account

    def ask(self, query: str, account: UUID, **claims: Any) -> list[tuple[Any, ...]]:
        """What api-main does for somebody who is signed in."""
        everything = json.dumps({"sub": str(account), "role": "authenticated", **claims})
        with psycopg.connect(self.api_url) as connection:
            connection.execute("set local role authenticated")
            connection.execute("select set_config('request.jwt.claims', %s, true)", [everything])
            return connection.execute(query.encode()).fetchall()


@pytest.fixture(scope="module", params=PROGRAMS, ids=lambda major: f"postgres-{major}")
def project(request: pytest.FixtureRequest, new_server: NewServer) -> Project:
    """A project with one account from before the first migration, migrated by its administrator."""
    project = Project(new_server(request.param))
    prepare_database(project.admin_url, login_password=API_PASSWORD, standalone=False)
    return project


def test_the_administrator_is_no_superuser_and_cannot_write_accounts(project: Project) -> None:
    with psycopg.connect(project.admin_url) as connection:
        assert connection.info.parameter_status("is_superuser") == "off"
        with pytest.raises(InsufficientPrivilege):
            connection.execute("delete from auth.users")


def test_the_migrations_are_applied_and_again_do_nothing(project: Project) -> None:
    before = history(project.admin_url)
    prepare_database(project.admin_url, login_password=API_PASSWORD, standalone=False)
    assert history(project.admin_url) == before
    check(project.admin_url)


def test_an_account_from_before_the_migrations_has_a_profile(project: Project) -> None:
    assert project.ask("select id, email from public.profiles", project.early) == [(project.early, "early@example.com")]


def test_an_account_that_supabase_auth_makes_has_a_profile_too(project: Project) -> None:
    ada = project.sign_up("ada@example.com")
    assert project.ask("select id, email from public.profiles", ada) == [(ada, "ada@example.com")]


def test_supabase_auth_changes_and_deletes_an_account_with_all_that_is_its_own(project: Project) -> None:
    ada = project.sign_up("lovelace@example.com")
    project.ask("insert into public.tasks (title) values ('Write note G') returning id", ada)
    with psycopg.connect(project.auth_url, autocommit=True) as auth:
        auth.execute("update auth.users set email = 'ada.l@example.com' where id = %s", [ada])
        assert project.ask("select email from public.profiles", ada) == [("ada.l@example.com",)]
        auth.execute("delete from auth.users where id = %s", [ada])
    with psycopg.connect(project.admin_url) as admin:
        left = "select (select count(*) from public.profiles where id = %(id)s), count(*) from public.tasks"
        assert admin.execute(f"{left} where owner_id = %(id)s".encode(), {"id": ada}).fetchall() == [(0, 0)]


def test_the_api_sees_that_a_session_is_live_and_that_it_ended(project: Project) -> None:
    ada, session = project.sign_up("live@example.com"), uuid4()
    live = "select private.session_is_live()"
    with psycopg.connect(project.auth_url, autocommit=True) as auth:
        auth.execute("insert into auth.sessions (id, user_id) values (%s, %s)", [session, ada])
        assert project.ask(live, ada, session_id=str(session)) == [(True,)]
        auth.execute("delete from auth.sessions where id = %s", [session])
        assert project.ask(live, ada, session_id=str(session)) == [(False,)]


def test_the_api_reaches_neither_accounts_nor_the_role_above_row_level_security(project: Project) -> None:
    with psycopg.connect(project.api_url, autocommit=True) as api:
        for statement in (b"select * from auth.users", b"select * from public.tasks", b"set role service_role"):
            with pytest.raises(InsufficientPrivilege):
                api.execute(statement)


@pytest.mark.parametrize("major", PROGRAMS)
def test_the_supabase_cli_pushes_as_the_administrator(
    new_server: NewServer, major: int, supabase_cli: SupabaseCli
) -> None:
    project = Project(new_server(major))
    assert supabase_cli.push(project.admin_url)["upToDate"] is False
    prepare_database(project.admin_url, login_password=API_PASSWORD, standalone=False)
    assert project.ask("select count(*) from public.tasks", project.sign_up("ada@example.com")) == [(0,)]
    assert supabase_cli.advisors(project.admin_url) == []
