"""Event streams over two real servers: everybody is told of their own changes, each once, whatever server ends."""

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import httpx
import psycopg
import pytest

from api_main.core.settings import Settings
from tests.conftest import NewPerson
from tests.e2e.server import GRACE_SECONDS, Server, running
from tests.events.client import Event, follow
from tests.events.socket_client import open_socket, socket_of
from tests.patience import PATIENCE, eventually
from tests.people import Person

Admin = psycopg.Connection[Any]
PEOPLE, WRITES = 5, 30


@pytest.fixture
def server(settings: Settings, tmp_path: Path) -> Iterator[Server]:
    with running(settings, tmp_path, live_connection_seconds=600) as started:
        yield started


@pytest.fixture
def servers(settings: Settings, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    with running(settings, tmp_path_factory.mktemp("second"), live_connection_seconds=600) as second:
        yield [server, second]


class Reader:
    """Somebody who reads their events, and comes again to whichever server there is."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.seen: list[Event] = []
        self.last_id: int | None = None
        self.ends: list[str] = []

    async def read(self, servers: list[Server]) -> None:
        async with httpx.AsyncClient(timeout=PATIENCE) as http:
            while True:
                for server in servers:
                    if server.process.poll() is None:
                        await self._read_from(http, server)

    async def _read_from(self, http: httpx.AsyncClient, server: Server) -> None:
        try:
            http.base_url = httpx.URL(server.url)
            async with follow(http, self.person, self.last_id) as stream:
                self.last_id = stream.last_id
                while True:
                    event = await stream.next()
                    if event.kind == "end":
                        self.ends.append(event.data["reason"])
                        return
                    self.seen.append(event)
                    self.last_id = event.id
        except (httpx.TransportError, StopAsyncIteration):
            await asyncio.sleep(0.05)  # the server is going


async def test_nobody_is_told_of_anothers_changes_and_none_is_lost_when_a_server_stops(
    servers: list[Server], new_person: NewPerson, admin_url: str
) -> None:
    readers = [Reader(new_person()) for _ in range(PEOPLE)]
    async with asyncio.TaskGroup() as group:
        reading = [group.create_task(reader.read(servers)) for reader in readers]
        await eventually(lambda: all(reader.last_id is not None for reader in readers))
        async with asyncio.TaskGroup() as writing:
            for number, reader in enumerate(readers):
                writing.create_task(write(admin_url, servers[1], reader.person, number))
            await eventually(lambda: all(len(reader.seen) > WRITES / 4 for reader in readers))
            servers[0].process.send_signal(signal.SIGTERM)
            code = await asyncio.to_thread(servers[0].process.wait, GRACE_SECONDS / 2)
        assert code in {0, -signal.SIGTERM}
        assert "Traceback" not in servers[0].written()
        await eventually(lambda: all(len(reader.seen) >= 3 * WRITES for reader in readers))
        for task in reading:
            task.cancel()
    for reader in readers:
        assert reader.ends == ["server_stopping"]
        assert [event.id for event in reader.seen] == list(range(1, 3 * WRITES + 1))
        rows = [event.data["task"] for event in reader.seen if event.data["task"] is not None]
        assert {row["owner_id"] for row in rows} == {str(reader.person.id)}
        told = [(event.data["id"], event.kind) for event in reader.seen]
        assert len(set(told)) == len(told)


async def write(admin_url: str, server: Server, person: Person, seed: int) -> None:
    """Tasks that are made, changed and deleted: by the API, and past it."""
    chance = Random(seed)
    async with (
        httpx.AsyncClient(base_url=server.url, headers=person.headers, timeout=PATIENCE) as http,
        await psycopg.AsyncConnection.connect(admin_url, autocommit=True) as admin,
    ):
        for _ in range(WRITES):
            path = (await http.post("/api/v1/tasks", json={"title": "x"})).headers["Location"]
            if chance.random() < 0.5:
                await http.patch(path, json={"status": "completed"})
                await http.delete(path)
            else:
                task = path.rpartition("/")[2]
                await admin.execute("update public.tasks set title = 'y' where id = %s", (task,))
                await admin.execute("delete from public.tasks where id = %s", (task,))


async def test_a_websocket_is_told_that_the_server_stops(server: Server, ada: Person) -> None:
    async with socket_of(server.url, ada) as socket:
        await socket.subscribe("tasks")
        async with open_socket(server.url) as loud:  # before it has said who it is
            await loud.connection.send("x" * 200_000)
            assert (await loud.end())[0] == 1009
        server.process.send_signal(signal.SIGTERM)
        code, _ = await socket.end()
        assert code == 1012
    assert await asyncio.to_thread(server.process.wait, GRACE_SECONDS / 2) in {0, -signal.SIGTERM}
    assert "Traceback" not in server.written()
