"""The database goes away under open streams: they stay, and lose nothing."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import psycopg
import pytest

from api_main.core.settings import Settings
from api_main.main import create_app
from local_stack.postgres import EmbeddedPostgres
from tests.events.client import follow
from tests.events.socket_client import Socket, socket_of
from tests.patience import PATIENCE, eventually
from tests.people import Person
from tests.serving import serve

INSERT = "insert into public.tasks (owner_id, title) values (%s, %s)"
LISTENERS = "select pid from pg_stat_activity where application_name = 'api-main listener'"


@pytest.fixture
async def address(on_mortal: Settings) -> AsyncIterator[str]:
    settings = on_mortal.model_copy(update={"live_connection_seconds": 600.0, "revocation_seconds": 600})
    with serve(create_app(settings)) as url:
        yield url


def write(server: EmbeddedPostgres, person: Person, title: str) -> None:
    with psycopg.connect(server.url(), autocommit=True) as admin:
        admin.execute(INSERT, (person.id, title))


async def title(socket: Socket) -> Any:
    return (await socket.next())["task"]["title"]


async def test_a_server_that_is_killed_and_comes_back_costs_no_event(
    address: str, mortal: EmbeddedPostgres, survivor: Person
) -> None:
    async with (
        httpx.AsyncClient(base_url=address, timeout=PATIENCE) as http,
        follow(http, survivor) as stream,
        socket_of(address, survivor) as socket,
    ):
        await socket.subscribe("tasks")
        write(mortal, survivor, "before")
        assert (await stream.next()).data["task"]["title"] == await title(socket) == "before"
        mortal.kill()
        mortal.start()
        write(mortal, survivor, "while nobody hears")
        assert (await stream.next()).data["task"]["title"] == await title(socket) == "while nobody hears"


async def test_a_listener_that_is_cut_off_comes_back_and_asks_what_it_has_missed(
    address: str, mortal: EmbeddedPostgres, survivor: Person
) -> None:
    async with httpx.AsyncClient(base_url=address, timeout=PATIENCE) as http, follow(http, survivor) as stream:
        with psycopg.connect(mortal.url(), autocommit=True) as admin:
            await eventually(lambda: len(admin.execute(LISTENERS).fetchall()) == 1)
            [(listener,)] = admin.execute(LISTENERS).fetchall()
            assert admin.execute("select pg_terminate_backend(%s, 60000)", (listener,)).fetchone() == (True,)
            admin.execute(INSERT, (survivor.id, "unheard"))
            assert (await stream.next()).data["task"]["title"] == "unheard"
            await eventually(lambda: len(admin.execute(LISTENERS).fetchall()) == 1)
            admin.execute(INSERT, (survivor.id, "heard"))
            assert (await stream.next()).data["task"]["title"] == "heard"
