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
from tests.patience import PATIENCE, eventually
from tests.people import Person
from tests.rls.serving import serve

WRITERS, READERS = 6, 4


@dataclass
class Load:
    """Clients that read and write until it is over, and what they were told."""

    client: httpx.AsyncClient
    person: Person
    attempted: set[str] = field(default_factory=set)
    accepted: set[str] = field(default_factory=set)
    refused: int = 0
    is_over: bool = False
    reads: Counter[int] = field(default_factory=Counter)

    async def write(self) -> None:
        while not self.is_over:
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
        while not self.is_over:
            answer = await self.client.get(TASKS, headers=self.person.headers)
            self.reads[answer.status_code] += 1
            if answer.status_code != 200:
                assert_unavailable(answer)
            await asyncio.sleep(0.01)

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        """Under load; a client that is told anything but success or 503 ends it as a failure."""
        async with asyncio.TaskGroup() as group:
            for client in [self.write] * WRITERS + [self.read] * READERS:
                group.create_task(client())
            try:
                yield
            finally:
                self.is_over = True

    async def get_through(self) -> None:
        """Wait until twenty more writes have been accepted."""
        goal = len(self.accepted) + 20
        await eventually(lambda: len(self.accepted) >= goal)

    async def be_refused(self) -> None:
        """Wait until one more write and one more read have been refused."""
        writes, reads = self.refused, self.reads[503]
        await eventually(lambda: self.refused > writes and self.reads[503] > reads)


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
            await load.get_through()
            for _ in range(2):
                await asyncio.to_thread(mortal.kill)
                await load.be_refused()
                await asyncio.to_thread(mortal.start)
                await load.get_through()
        await wait_until_ready(service.client)
    assert load.reads[200] > 0
    stored = _stored(mortal, survivor)
    assert load.accepted <= stored.keys() <= load.attempted
    assert set(stored.values()) == {1}


async def test_the_api_starts_without_its_database_and_finds_it_later(
    on_mortal: Settings, mortal: EmbeddedPostgres, survivor: Person
) -> None:
    await asyncio.to_thread(mortal.stop)
    async with serve(on_mortal) as service:
        assert (await service.client.get("/health/live")).status_code == 200
        unready = await service.client.get(READY)
        assert (unready.status_code, unready.json()["error"]["code"]) == (503, "unhealthy")
        assert unready.json()["error"]["details"]["database"]["status"] == "down"
        assert "Retry-After" in unready.headers
        assert_unavailable(await service.client.get(TASKS, headers=survivor.headers))
        assert_unavailable(await service.client.post(TASKS, json={"title": "early"}, headers=survivor.headers))
        await asyncio.to_thread(mortal.start)
        await wait_until_ready(service.client)
        service.database._pool.timeout = PATIENCE
        assert (await service.client.get(TASKS, headers=survivor.headers)).status_code == 200
