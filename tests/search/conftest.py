"""The application with api-gpu behind it, and people who search."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import psycopg
import pytest
from fastapi import FastAPI

from api_main.core.settings import Settings
from api_main.main import create_app
from api_main.tasks.search import query_vectors
from tests.conftest import with_gpu
from tests.gpu.stand_in import StandIn
from tests.patience import PATIENCE, eventually
from tests.people import Person
from tests.rls.serving import Service, started
from tests.tasks.client import TasksClient

Embedded = Callable[[], Awaitable[None]]


@pytest.fixture(scope="module")
def app_with_gpu(settings: Settings, served_gpu: tuple[StandIn, str]) -> FastAPI:
    return create_app(with_gpu(settings, *served_gpu).model_copy(update={"database_pool_max": 4}))


@pytest.fixture
async def service(
    app_with_gpu: FastAPI,
    gpu: StandIn,
    admin: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Service]:
    """An API that embeds what is written through it."""
    settle(admin)
    monkeypatch.setattr(query_vectors, "PATIENCE_SECONDS", PATIENCE)
    async with started(app_with_gpu) as service:
        yield service


@pytest.fixture
def adas(service: Service, ada: Person) -> TasksClient:
    return TasksClient(service.client, ada)


@pytest.fixture
def bobs(service: Service, bob: Person) -> TasksClient:
    return TasksClient(service.client, bob)


@pytest.fixture
def embedded(admin: psycopg.Connection[Any]) -> Embedded:
    """Wait until nothing is left to embed."""

    async def wait() -> None:
        await eventually(lambda: waiting(admin) == 0)

    return wait


def settle(admin: psycopg.Connection[Any]) -> None:
    """Leave nothing to embed of what other tests have written, nor anew because they had another model."""
    admin.execute("delete from private.tasks_to_embed")
    admin.execute(
        "update public.task_embeddings set model = 'text-embedding', model_version = '1'"
        " where (model, model_version) <> ('text-embedding', '1')"
    )


def waiting(admin: psycopg.Connection[Any]) -> int:
    row = admin.execute("select count(*) from private.tasks_to_embed").fetchone()
    assert row is not None
    return int(row[0])


def stored(admin: psycopg.Connection[Any], person: Person) -> dict[str, tuple[str, str]]:
    """Model and version by title, for each of a person's tasks that has a vector."""
    rows = admin.execute(
        "select title, model, model_version from public.task_embeddings join public.tasks on id = task_id"
        " where public.tasks.owner_id = %s",
        (person.id,),
    )
    return {title: (model, version) for title, model, version in rows}
