"""`GET /api/v1/metrics/database`: for superusers alone, with statements where the server counts them."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from api_main.core.database import Database
from api_main.core.settings import Settings
from api_main.migrations.setup import prepare_database
from tests.conftest import API_PASSWORD, NewPerson
from tests.people import Person, create_person
from tests.postgres_servers import FORGETFUL, Server, start_server
from tests.rls.serving import serve
from tests.rls.stage import identity_of

PATH = "/api/v1/metrics/database"


@pytest.fixture
def root(new_person: NewPerson) -> Person:
    return new_person(superuser=True)


async def test_a_superuser_is_told_of_the_pool(app: FastAPI, client: httpx.AsyncClient, root: Person) -> None:
    database: Database = app.state.database
    async with database.session(identity_of(root)) as session:
        await session.connection()
        answer = await client.get(PATH, headers=root.headers)
    assert answer.status_code == 200
    pool = answer.json()["data"]["pool"]
    assert (pool["min"], pool["max"], pool["waiting"]) == (1, 8, 0)
    assert pool["in_use"] >= 1
    assert pool["size"] == pool["in_use"] + pool["idle"]
    assert pool["overflow"] == max(0, pool["size"] - pool["min"])
    assert pool["requests"] > 0


async def test_where_nobody_counts_statements_the_answer_says_so(client: httpx.AsyncClient, root: Person) -> None:
    data = (await client.get(PATH, headers=root.headers)).json()["data"]
    assert data["statements"] == {"available": False, "slowest": []}


@pytest.mark.parametrize("statements", ["0", "101", "many"])
async def test_the_number_of_statements_has_bounds(client: httpx.AsyncClient, root: Person, statements: str) -> None:
    assert (await client.get(PATH, headers=root.headers, params={"statements": statements})).status_code == 422


async def test_nobody_else_is_told_anything(client: httpx.AsyncClient, ada: Person) -> None:
    assert (await client.get(PATH, headers=ada.headers)).status_code == 403
    assert (await client.get(PATH)).status_code == 401


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that counts statements: Debian's 15, for the embedded one cannot."""
    options = {**FORGETFUL, "shared_preload_libraries": "pg_stat_statements"}
    with start_server(15, tmp_path_factory.mktemp("counting"), options=options) as server:
        prepare_database(server.url(), login_password=API_PASSWORD)
        yield server


@pytest.fixture
def counting_admin(counting: Server) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(counting.url(), autocommit=True) as connection:
        yield connection


@pytest.fixture
async def its_client(counting: Server, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    url = counting.url(user="api_main", password=API_PASSWORD)
    async with serve(settings.model_copy(update={"database_url": url, "database_pool_max": 2})) as service:
        yield service.client


async def test_slow_statements_are_shown_without_their_parameters(
    its_client: httpx.AsyncClient, counting_admin: psycopg.Connection[Any], settings: Settings
) -> None:
    person = create_person(counting_admin, settings, superuser=True)
    counting_admin.execute("create extension pg_stat_statements with schema extensions")
    counting_admin.execute("select extensions.pg_stat_statements_reset()")
    counting_admin.execute("select pg_sleep(0.3), 'hunter2' as remembered")
    counting_admin.execute("create role somebody password 'hunter2'")
    counting_admin.execute("alter role somebody password 'hunter2'")
    answer = await its_client.get(f"{PATH}?statements=3", headers=person.headers)
    assert answer.status_code == 200, answer.text
    statements = answer.json()["data"]["statements"]
    assert statements["available"] is True
    slowest = statements["slowest"][0]
    assert slowest["query"] == "select pg_sleep($1), $2 as remembered"
    assert slowest["calls"] == 1
    assert slowest["mean_ms"] >= 300
    assert len(statements["slowest"]) <= 3
    everything = await its_client.get(f"{PATH}?statements=100", headers=person.headers)
    assert "hunter2" not in everything.text
    assert "role somebody" not in everything.text


@pytest.fixture(scope="module")
def forgetful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[psycopg.Connection[Any]]:
    """A server with the extension, which it does not load."""
    with start_server(15, tmp_path_factory.mktemp("forgetful")) as server:
        prepare_database(server.url(), login_password=API_PASSWORD)
        with psycopg.connect(server.url(), autocommit=True) as connection:
            yield connection


def test_an_extension_that_the_server_does_not_load_counts_nothing(forgetful: psycopg.Connection[Any]) -> None:
    forgetful.execute("create extension pg_stat_statements with schema public")
    assert forgetful.execute("select private.slowest_statements(1)").fetchone() == (None,)
