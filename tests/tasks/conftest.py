import httpx
import pytest

from tests.people import Person
from tests.tasks.client import TasksClient


@pytest.fixture
def adas(client: httpx.AsyncClient, ada: Person) -> TasksClient:
    return TasksClient(client, ada)


@pytest.fixture
def bobs(client: httpx.AsyncClient, bob: Person) -> TasksClient:
    return TasksClient(client, bob)
