"""Statements that take too long, clients that go away, and a pool in which nothing is free."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
import uvicorn
from psycopg_pool import PoolTimeout

from local_stack.postgres import LOOPBACK, free_port
from tests.faults.answers import TASKS, assert_timed_out, assert_unavailable
from tests.people import Person
from tests.rls.doors import ask, assert_nobody
from tests.rls.serving import SLOW_READ, SLOW_WRITE, Service
from tests.rls.stage import identity_of

SLOW = [("GET", SLOW_READ), ("POST", SLOW_WRITE)]
SLEEPERS = (
    "select count(*) from pg_stat_activity where query like '%%pg_sleep(30)%%' and state = 'active' and pid <> %s"
)


async def _assert_nobody_sleeps(admin: psycopg.Connection[Any]) -> None:
    async with asyncio.timeout(2):
        while admin.execute(SLEEPERS, (admin.info.backend_pid,)).fetchone() != (0,):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def _assert_as_good_as_new(service: Service, admin: psycopg.Connection[Any], person: Person) -> None:
    """The slow statement is gone, its transaction left nothing, and the one connection serves on."""
    await _assert_nobody_sleeps(admin)
    async with asyncio.timeout(10):  # on a busy machine the pool takes its time to replace the connection
        while (answer := await service.client.get(TASKS, headers=person.headers)).status_code == 503:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        assert answer.json()["data"] == []
        await _once_free(service)


async def _once_free(service: Service) -> None:
    while True:
        with suppress(PoolTimeout):
            await assert_nobody(service.database)
            return


@asynccontextmanager
async def _busy(service: Service, person: Person) -> AsyncIterator[None]:
    """All connections are taken."""
    async with service.database.session(identity_of(person)) as session:
        await ask(session, "select 1")
        yield


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_pool_in_which_nothing_is_free_is_a_503(narrow: Service, ada: Person, method: str) -> None:
    body = {"title": "waiting"} if method == "POST" else None
    async with _busy(narrow, ada):
        assert_unavailable(await narrow.client.request(method, TASKS, json=body, headers=ada.headers))
    answer = await narrow.client.request(method, TASKS, json=body, headers=ada.headers)
    assert answer.is_success


@pytest.mark.parametrize(("method", "path"), SLOW)
async def test_a_request_over_its_time_is_stopped_and_its_statement_too(
    narrow: Service, admin: psycopg.Connection[Any], ada: Person, method: str, path: str
) -> None:
    assert_timed_out(await narrow.client.request(method, path, headers=ada.headers))
    await _assert_as_good_as_new(narrow, admin, ada)


async def test_a_write_that_waits_for_a_lock_is_stopped_and_writes_nothing(
    narrow: Service, admin_url: str, ada: Person
) -> None:
    created = await narrow.client.post(TASKS, json={"title": "before"}, headers=ada.headers)
    task = UUID(created.json()["data"]["id"])
    with psycopg.connect(admin_url) as other:
        other.execute("select from public.tasks where id = %s for update", (task,))
        answer = await narrow.client.patch(f"{TASKS}/{task}", json={"title": "after"}, headers=ada.headers)
        assert_timed_out(answer)
    read = await narrow.client.get(f"{TASKS}/{task}", headers=ada.headers)
    assert (read.json()["data"]["title"], read.json()["data"]["version"]) == ("before", 1)


@pytest.mark.parametrize(("method", "path"), SLOW)
async def test_a_request_that_is_cut_off_leaves_nothing_behind(
    narrow: Service, admin: psycopg.Connection[Any], ada: Person, method: str, path: str
) -> None:
    request = asyncio.create_task(narrow.client.request(method, path, headers=ada.headers))
    await asyncio.sleep(0.2)
    request.cancel()
    await asyncio.wait([request])
    await _assert_as_good_as_new(narrow, admin, ada)


@pytest.mark.parametrize(("method", "path"), SLOW)
async def test_a_client_that_hangs_up_holds_a_connection_no_longer_than_the_time_limit(
    narrow: Service, admin: psycopg.Connection[Any], ada: Person, method: str, path: str
) -> None:
    async with _on_a_socket(narrow) as address, httpx.AsyncClient(base_url=address) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.request(method, path, headers=ada.headers, timeout=0.2)
        await _assert_as_good_as_new(narrow, admin, ada)


@asynccontextmanager
async def _on_a_socket(service: Service) -> AsyncIterator[str]:
    """The same application behind a real server, for as long as it takes."""
    port = free_port()
    configuration = uvicorn.Config(service.app, LOOPBACK, port, lifespan="off", log_config=None)
    server = uvicorn.Server(configuration)
    serving = asyncio.create_task(server._serve())
    while not server.started:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    yield f"http://{LOOPBACK}:{port}"
    server.should_exit = True
    await serving
