"""api-gpu is away, or hangs: whoever does not need it notices nothing."""

import socket
import statistics
import time
from collections.abc import Iterator

import pytest

from api_main.core.settings import Settings
from tests.people import Person
from tests.rls.serving import serve
from tests.tasks.client import TasksClient

ROUNDS = 7
SLACK = 0.5  # seconds, on a machine that does other things as well: whoever waited for api-gpu would wait for longer


@pytest.fixture
def black_hole() -> Iterator[str]:
    """It takes connections, and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


async def crud(adas: TasksClient) -> float:
    """The seconds that a task's life takes, the median."""
    lives = []
    for number in range(ROUNDS):
        started = time.perf_counter()
        task = await adas.add(f"task {number}")
        await adas.patch(task["id"], {"title": "changed"})
        await adas.page()
        await adas.page("search", q="chan")
        await adas.delete(task["id"])
        lives.append(time.perf_counter() - started)
    return statistics.median(lives)


async def test_everything_else_is_as_fast_as_ever(
    settings: Settings, gpu_settings: Settings, ada: Person, black_hole: str
) -> None:
    async with serve(settings) as service:
        without = await crud(TasksClient(service.client, ada))
    async with serve(gpu_settings.model_copy(update={"gpu_url": black_hole})) as service:
        hanging = await crud(TasksClient(service.client, ada))
    async with serve(gpu_settings.model_copy(update={"gpu_url": "http://127.0.0.1:9"})) as service:
        away = await crud(TasksClient(service.client, ada))
    assert max(hanging, away) < without + SLACK
