"""Statements that take too long, clients that go away, and a pool in which nothing is free."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import psycopg
import pytest
import uvicorn

from api_main.core.settings import Settings
from local_stack.postgres import LOOPBACK
from tests.faults.answers import TASKS, assert_timed_out, assert_unavailable
from tests.patience import PATIENCE, eventually
from tests.people import Person
from tests.rls.doors import ask, assert_nobody
from tests.rls.serving import SLOW_READ, SLOW_WRITE, Service, serve
from tests.rls.stage import identity_of

SLOW = [("GET", SLOW_READ), ("POST", SLOW_WRITE)]
BEFORE_THE_ROLES_OWN_LIMIT = 6.0  # seconds, of 8
SLEEPERS = (
    "select count(*) from pg_stat_activity where query like '%%pg_sleep(30)%%' and state = 'active' and pid <> %s"
)


def _sleepers(admin: psycopg.Connection[Any]) -> int:
    row = admin.execute(SLEEPERS, (admin.info.backend_pid,)).fetchone()
    assert row is not None
    return int(row[0])


async def _assert_as_good_as_new(service: Service, admin: psycopg.Connection[Any], person: Person) -> None:
    """The slow statement is gone, its transaction left nothing, and the one connection serves on."""

    async def shows_nothing() -> bool:  # at the first attempt, but for a hurried service on a busy machine
        answer = await service.client.get(TASKS, headers=person.headers)
        return answer.is_success and answer.json()["data"] == []

    await eventually(lambda: _sleepers(admin) == 0, BEFORE_THE_ROLES_OWN_LIMIT)
    await eventually(shows_nothing)
    await assert_nobody(service.database)


@asynccontextmanager
async def _busy(service: Service, person: Person) -> AsyncIterator[None]:
    """All connections are taken."""
    async with service.database.session(identity_of(person)) as session:
        await ask(session, "select 1")
        yield


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_pool_in_which_nothing_is_free_is_a_503(
    narrow: Service, ada: Person, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"title": "waiting"} if method == "POST" else None
    async with _busy(narrow, ada):
        with monkeypatch.context() as impatience:
            impatience.setattr(narrow.database._pool, "timeout", 0.3)
            assert_unavailable(await narrow.client.request(method, TASKS, json=body, headers=ada.headers))
    answer = await narrow.client.request(method, TASKS, json=body, headers=ada.headers)
    assert answer.is_success


async def test_a_crowd_before_an_exhausted_pool_is_sent_away_by_itself(
    settings: Settings, admin: psycopg.Connection[Any], ada: Person
) -> None:
    """As the API is by default: each of them is answered while nothing has become free, and nobody piles up."""
    defaults = {name: Settings.model_fields[name].default for name in ("database_pool_timeout", "request_timeout")}
    few = {"database_pool_min": 1, "database_pool_max": 2, "database_pool_waiting": 10, "rate_limit_enabled": False}
    assert defaults["database_pool_timeout"] < 1
    async with serve(settings.model_copy(update={**few, **defaults})) as service:
        assert (await service.client.get(TASKS, headers=ada.headers)).is_success
        async with _busy(service, ada), _busy(service, ada):
            asked = [service.client.get(TASKS, headers=ada.headers) for _ in range(100)]
            crowd = asyncio.gather(*asked)
            await eventually(lambda: service.database._pool.queued == 10)
            for answer in await crowd:
                assert_unavailable(answer)
            assert service.database._pool.queued == 0
        assert (await service.client.get(TASKS, headers=ada.headers)).is_success


@pytest.mark.parametrize(("method", "path"), SLOW)
async def test_a_request_over_its_time_is_stopped_and_its_statement_too(
    hurried: Service, admin: psycopg.Connection[Any], ada: Person, method: str, path: str
) -> None:
    assert_timed_out(await hurried.client.request(method, path, headers=ada.headers))
    await _assert_as_good_as_new(hurried, admin, ada)


async def test_a_write_that_waits_for_a_lock_is_stopped_and_writes_nothing(
    hurried: Service, admin: psycopg.Connection[Any], admin_url: str, ada: Person
) -> None:
    created = "insert into public.tasks (owner_id, title) values (%s, 'before') returning id"
    [[task]] = admin.execute(created, (ada.id,)).fetchall()
    with psycopg.connect(admin_url) as other:
        other.execute("select from public.tasks where id = %s for update", (task,))
        answer = await hurried.client.patch(f"{TASKS}/{task}", json={"title": "after"}, headers=ada.headers)
        assert_timed_out(answer)
    await assert_nobody(hurried.database)
    row = admin.execute("select title, version from public.tasks where id = %s", (task,)).fetchone()
    assert row == ("before", 1)


@pytest.mark.parametrize(("method", "path"), SLOW)
async def test_a_request_that_is_cut_off_leaves_nothing_behind(
    narrow: Service, admin: psycopg.Connection[Any], ada: Person, method: str, path: str
) -> None:
    request = asyncio.create_task(narrow.client.request(method, path, headers=ada.headers))
    await eventually(lambda: _sleepers(admin) == 1)
    request.cancel()
    await asyncio.wait([request])
    await _assert_as_good_as_new(narrow, admin, ada)


@pytest.mark.parametrize(("method", "path"), SLOW)
async def test_a_client_that_hangs_up_holds_a_connection_no_longer_than_the_time_limit(
    hurried: Service, admin: psycopg.Connection[Any], ada: Person, method: str, path: str
) -> None:
    async with _on_a_socket(hurried) as address, httpx.AsyncClient(base_url=address) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.request(method, path, headers=ada.headers, timeout=httpx.Timeout(PATIENCE, read=0.2))
        await _assert_as_good_as_new(hurried, admin, ada)


@asynccontextmanager
async def _on_a_socket(service: Service) -> AsyncIterator[str]:
    """The same application behind a real server, for as long as it takes."""
    configuration = uvicorn.Config(service.app, LOOPBACK, 0, lifespan="off", log_config=None)
    server = uvicorn.Server(configuration)
    serving = asyncio.create_task(server._serve())
    await eventually(lambda: server.started)
    yield f"http://{LOOPBACK}:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await serving
