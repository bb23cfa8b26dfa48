from collections.abc import AsyncIterator

import httpx
import pytest

from api_main.core.settings import Settings, WorkerSettings
from api_main.jobs.worker import JobWorker
from tests.jobs.client import JobsClient
from tests.jobs.working import worker_settings, working
from tests.people import Person


@pytest.fixture
def quick(settings: Settings) -> WorkerSettings:
    return worker_settings(settings)


@pytest.fixture
async def worker(quick: WorkerSettings) -> AsyncIterator[JobWorker]:
    """A worker that knows the kinds of jobs that there are."""
    async with working(quick) as running:
        yield running


@pytest.fixture
def adas(client: httpx.AsyncClient, ada: Person) -> JobsClient:
    return JobsClient(client, ada)


@pytest.fixture
def bobs(client: httpx.AsyncClient, bob: Person) -> JobsClient:
    return JobsClient(client, bob)
