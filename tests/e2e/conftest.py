from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg
import pytest

from api_main.core.settings import Settings
from tests.e2e.server import Server, running

REQUEST_SECONDS = 2.0  # long for what is answered at once, and well before the 8 s of the role's own limit
Hold = Callable[[], AbstractContextManager[None]]


@pytest.fixture(scope="session")
def server(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(settings, tmp_path_factory.mktemp("api"), request_timeout=REQUEST_SECONDS) as started:
        yield started


@pytest.fixture
def hold_tasks(admin_url: str) -> Hold:
    """Keep every query on the tasks waiting for a while."""

    @contextmanager
    def hold() -> Iterator[None]:
        with psycopg.connect(admin_url) as connection:
            connection.execute("lock table public.tasks in access exclusive mode")
            yield

    return hold


@pytest.fixture
def waiting(admin: psycopg.Connection[Any]) -> Callable[[], int]:
    """How many queries wait for a lock."""

    def count() -> int:
        row = admin.execute(
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and application_name = 'api-main'"
        ).fetchone()
        return int(row[0]) if row else 0

    return count
