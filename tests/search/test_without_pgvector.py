"""A database without pgvector: tasks are found by their words, and everything says why not by more."""

from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from api_main.core.settings import Settings
from api_main.migrations.setup import prepare_database
from local_stack.postgres import EmbeddedPostgres
from tests.conftest import API_PASSWORD
from tests.gpu.stand_in import StandIn
from tests.patience import eventually
from tests.people import create_person
from tests.rls.serving import serve
from tests.search.conftest import waiting
from tests.tasks.client import TasksClient, error_of

DATABASE = "without_pgvector"


@pytest.fixture
def own_admin(postgres: EmbeddedPostgres, admin: psycopg.Connection[Any]) -> Any:
    admin.execute(f"create database {DATABASE}")
    prepare_database(postgres.url(DATABASE), login_password=API_PASSWORD)
    with psycopg.connect(postgres.url(DATABASE), autocommit=True) as connection:
        connection.execute("drop table public.task_embeddings")
        yield connection
    admin.execute(f"drop database {DATABASE} with (force)")


@pytest.fixture
async def adas(
    postgres: EmbeddedPostgres, own_admin: psycopg.Connection[Any], gpu_settings: Settings
) -> AsyncIterator[TasksClient]:
    url = postgres.url(DATABASE, user="api_main", password=API_PASSWORD)
    settings = gpu_settings.model_copy(update={"database_url": url, "database_pool_max": 4})
    async with serve(settings) as service:
        yield TasksClient(service.client, create_person(own_admin, settings))


async def test_words_alone_until_pgvector_is_there(
    adas: TasksClient, own_admin: psycopg.Connection[Any], postgres: EmbeddedPostgres, gpu: StandIn
) -> None:
    task = await adas.add("Wash the car")
    page = await adas.page("search", q="car")
    assert ([found["id"] for found in page["data"]], page["meta"]["meaning"]) == ([task["id"]], "unavailable")
    for path in ("search?q=car&mode=semantic", f"{task['id']}/similar"):
        assert error_of(await adas.send("GET", path))[:2] == (503, "meaning_unavailable")
    assert gpu.seen == []  # nobody wakes it for nothing

    prepare_database(postgres.url(DATABASE), login_password=API_PASSWORD)
    await eventually(lambda: waiting(own_admin) == 0)
    found = await adas.page("search", q="automobile", mode="semantic")
    assert [task["title"] for task in found["data"]] == ["Wash the car"]
