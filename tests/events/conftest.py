"""The API on a socket, and people who follow what becomes of their tasks."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from api_main.core.settings import Settings
from api_main.main import create_app
from tests.patience import PATIENCE
from tests.people import Person
from tests.serving import serve
from tests.tasks.client import TasksClient


@pytest.fixture(scope="session")
def live_settings(settings: Settings) -> Settings:
    """Streams as long as they may be, for three at a time; and sessions that are looked at every second."""
    return settings.model_copy(
        update={
            "live_connection_seconds": 600.0,
            "live_connections_per_user": 3,
            "live_heartbeat_seconds": 0.2,
            "revocation_seconds": 1,
        }
    )


@pytest.fixture(scope="session")
def address(live_settings: Settings) -> Iterator[str]:
    with serve(create_app(live_settings)) as url:
        yield url


@pytest.fixture
async def http(address: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=address, timeout=PATIENCE) as client:
        yield client


@pytest.fixture
def adas(http: httpx.AsyncClient, ada: Person) -> TasksClient:
    return TasksClient(http, ada)


@pytest.fixture
def bobs(http: httpx.AsyncClient, bob: Person) -> TasksClient:
    return TasksClient(http, bob)
