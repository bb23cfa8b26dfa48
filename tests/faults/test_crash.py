"""Postgres is killed and comes back: nobody is told a lie, and nobody has to restart anything."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import httpx
import psycopg

from api_main.core.settings import Settings
from local_stack.postgres import EmbeddedPostgres
from tests.faults.answers import READY, TASKS, assert_unavailable, wait_until_ready
from tests.people import Person
from tests.rls.serving import serve

WRITERS, READERS = 6, 4
SECONDS_TO_RECOVER = 12.0  # the pool tries again after 1, 2, 4, … seconds


@dataclass
class Load:
    """Clients that read and write without end, and what they were told."""

    client: httpx.AsyncClient
    person: Person
    attempted: set[str] = field(default_factory=set)
    accepted: set[str] = field(default_factory=set)
    refused: int = 0
    reads: Counter[int] = field(default_factory=Counter)

    async def write(self) -> None:
        while True:
            title = str(uuid4())
            self.attempted.add(title)
            answer = await self.client.post(TASKS, json={"title": title}, headers=self.person.headers)
            if answer.status_code == 201:
                self.accepted.add(title)
            else:
                assert_unavailable(answer)
                self.refused += 1
            await asyncio.sleep(0.01)

    async def read(self) -> None:
        while True:
            answer = await self.client.get(TASKS, headers=self.person.headers)
            self.reads[answer.status_code] += 1
            if answer.status_code != 200:
                assert_unavailable(answer)
            await asyncio.sleep(0.01)

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        """Under load; a client that was told anything but success or 503 is an error at the end."""
        clients = [self.write() for _ in range(WRITERS)] + [self.read() for _ in range(READERS)]
        tasks = [asyncio.create_task(client) for client in clients]
        yield
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert [outcome for outcome in outcomes if not isinstance(outcome, asyncio.CancelledError)] == []

    async def get_through(self, count: int, seconds: float) -> None:
        """Wait until so many more writes have been accepted."""
        goal = len(self.accepted) + count
        async with asyncio.timeout(seconds):
            while len(self.accepted) < goal:  # noqa: ASYNC110
                await asyncio.sleep(0.05)


def _stored(server: EmbeddedPostgres, owner: Person) -> Counter[str]:
    with psycopg.connect(server.url()) as admin:
        rows = admin.execute("select title, count(*) from public.tasks where owner_id = %s group by 1", (owner.id,))
        return Counter(dict(rows.fetchall()))


async def test_a_crash_under_load_loses_no_write_and_applies_none_twice(
    on_mortal: Settings, mortal: EmbeddedPostgres, survivor: Person
) -> None:
    async with serve(on_mortal) as service:
        load = Load(service.client, survivor)
        async with load.going_on():
            await load.get_through(20, seconds=10)
            for _ in range(2):
                await asyncio.to_thread(mortal.kill)
                await asyncio.sleep(0.3)
                await asyncio.to_thread(mortal.start)
                await load.get_through(20, seconds=SECONDS_TO_RECOVER)
        await wait_until_ready(service.client, 3)
    assert min(load.refused, load.reads[200], load.reads[503]) > 0
    stored = _stored(mortal, survivor)
    assert load.accepted <= stored.keys() <= load.attempted
    assert set(stored.values()) == {1}


async def test_the_api_starts_without_its_database_and_finds_it_later(
    on_mortal: Settings, mortal: EmbeddedPostgres, survivor: Person
) -> None:
    await asyncio.to_thread(mortal.stop)
    async with serve(on_mortal.model_copy(update={"database_pool_timeout": 0.3})) as service:
        assert (await service.client.get("/health/live")).status_code == 200
        unready = await service.client.get(READY)
        assert (unready.status_code, unready.json()["error"]["code"]) == (503, "unhealthy")
        assert unready.json()["error"]["details"]["database"]["status"] == "down"
        assert "Retry-After" in unready.headers
        assert_unavailable(await service.client.get(TASKS, headers=survivor.headers))
        assert_unavailable(await service.client.post(TASKS, json={"title": "early"}, headers=survivor.headers))
        await asyncio.to_thread(mortal.start)
        await wait_until_ready(service.client, SECONDS_TO_RECOVER)
        assert (await service.client.get(TASKS, headers=survivor.headers)).status_code == 200
