"""A managed PostgreSQL gives its customers no superuser: an owner who may create roles is enough."""

from uuid import UUID, uuid4

import psycopg
import pytest

from api_main.migrations.setup import prepare_database
from tests.migrations.conftest import NewServer
from tests.postgres_servers import PROGRAMS

CREATE_OWNER = "create role owner login createrole password 'of-the-owner'"


@pytest.fixture(params=PROGRAMS, ids=lambda major: f"postgres-{major}")
def api_url(request: pytest.FixtureRequest, new_server: NewServer) -> str:
    """The API's login on a server that the owner of one database has prepared, twice."""
    server = new_server(request.param)
    with psycopg.connect(server.url()) as superuser:
        superuser.execute(CREATE_OWNER)
    name = server.new_database(owner="owner")
    for _ in range(2):
        prepare_database(server.url(name, "owner", "of-the-owner"), login_password="of-the-api")
    return server.url(name, "api_main", "of-the-api")


def test_an_owner_without_a_superusers_rights_prepares_a_database(api_url: str) -> None:
    ada, bob = uuid4(), uuid4()
    with psycopg.connect(api_url, autocommit=True) as api:
        for account in (ada, bob):
            _sign_up(api, account)
            _become(api, account)
            api.execute("insert into public.tasks (title) values ('A task')")
        assert api.execute("select owner_id from public.tasks").fetchall() == [(bob,)]
        assert api.execute("select id from public.profiles").fetchall() == [(bob,)]


def _sign_up(api: psycopg.Connection, account: UUID) -> None:
    api.execute("set role auth_admin")
    api.execute("insert into auth.users (id) values (%s)", [account])


def _become(api: psycopg.Connection, account: UUID) -> None:
    api.execute("set role authenticated")
    api.execute("select set_config('request.jwt.claim.sub', %s, false)", [str(account)])
