"""With the rights that a hosted project's `postgres` has, and no more, everything can be set up and read."""

import json
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from api_main.migrations.setup import prepare_database
from tests.postgres_servers import Server
from tests.supabase_project.conftest import NewProject


@pytest.fixture(scope="module")
def url(new_project: NewProject) -> str:
    return new_project()


def test_postgres_is_as_powerless_as_on_a_hosted_project(url: str) -> None:
    with psycopg.connect(url) as connection:
        assert connection.execute("show is_superuser").fetchone() == ("off",)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("alter table auth.users add column ours int")


def test_the_login_of_the_api_can_be_given_its_password(server: Server, url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("alter role api_main with login password 'another-one'")
        database = connection.info.dbname
    with psycopg.connect(server.url(database, user="api_main", password="another-one")) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("select from public.tasks")
        connection.rollback()
        connection.execute("set role authenticated")
        assert connection.execute("select count(*) from public.tasks").fetchone() == (0,)


def test_an_account_that_supabase_auth_makes_has_a_profile_and_a_role_in_its_token(server: Server, url: str) -> None:
    account = uuid4()
    with psycopg.connect(url) as connection:
        database = connection.info.dbname
    with psycopg.connect(server.url(database, user="supabase_auth_admin")) as supabase_auth:
        supabase_auth.execute("insert into auth.users (id, email) values (%s, 'ada@example.com')", [account])
        event = json.dumps({"user_id": str(account), "claims": {"role": "authenticated"}})
        answer = supabase_auth.execute("select private.custom_access_token_hook(%s)", [event]).fetchone()
    assert answer == ({"claims": {"role": "authenticated", "user_role": "user"}},)
    assert _users(url, account) == [("unconfirmed", 0)]


def test_people_with_the_service_role_read_the_views(url: str) -> None:
    account = uuid4()
    with psycopg.connect(url) as connection:
        connection.execute("insert into auth.users (id, email_confirmed_at) values (%s, now())", [account])
        connection.execute("insert into public.tasks (owner_id, title) values (%s, 'x')", [account])
    assert _users(url, account, role="service_role") == [("active", 1)]


def test_a_deletion_in_the_dashboard_takes_profile_and_tasks_along(url: str) -> None:
    account = uuid4()
    with psycopg.connect(url) as connection:
        connection.execute("insert into auth.users (id) values (%s)", [account])
        connection.execute("insert into public.tasks (owner_id, title) values (%s, 'x')", [account])
        connection.execute("delete from auth.users where id = %s", [account])
        assert connection.execute("select from public.profiles where id = %s", [account]).fetchall() == []
        assert connection.execute("select from public.tasks where owner_id = %s", [account]).fetchall() == []


def test_accounts_that_were_there_before_the_migrations_get_profiles(new_project: NewProject) -> None:
    url = new_project(migrated=False)
    living, gone = uuid4(), uuid4()
    with psycopg.connect(url) as connection:
        connection.execute("insert into auth.users (id, email) values (%s, 'ada@example.com')", [living])
        connection.execute("insert into auth.users (id, email, deleted_at) values (%s, 'digest', now())", [gone])
    prepare_database(url, login_password=None, standalone=False)
    with psycopg.connect(url) as connection:
        rows = connection.execute("select id, email from public.profiles").fetchall()
    assert dict(rows) == {living: "ada@example.com", gone: None}


def _users(url: str, account: Any, role: str = "postgres") -> list[Any]:
    with psycopg.connect(url) as connection:
        connection.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
        return connection.execute("select state, tasks from admin.users where id = %s", [account]).fetchall()
