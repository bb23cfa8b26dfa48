"""Sockets of connections are watched for as long as they are open, and no longer: their numbers are others' next."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import psycopg
import pytest
from psycopg import AsyncRawCursor

from api_main.core.prelude import Identity, Query, RlsConnection
from tests.patience import PATIENCE, eventually

NOBODY = Identity("anon")
ONE = Query("select 1")
END = "select pg_terminate_backend(%s, 60000)"


@pytest.fixture
async def connection(api_url: str) -> AsyncIterator[RlsConnection]:
    async with await RlsConnection.connect(api_url, autocommit=True) as opened:
        yield opened


async def is_watched(number: int) -> bool:
    return asyncio.get_running_loop().remove_reader(number)


async def test_an_open_connection_is_asked_again_and_again(connection: RlsConnection) -> None:
    for _ in range(3):
        [[(one,)]] = await connection.read(NOBODY, ONE)
        assert one == b"1"
    assert await is_watched(connection.pgconn.socket)


async def test_what_is_closed_is_no_longer_watched(connection: RlsConnection) -> None:
    await connection.read(NOBODY, ONE)
    number = connection.pgconn.socket
    await connection.close()
    assert not await is_watched(number)


ASK: dict[str, Callable[[RlsConnection], Awaitable[Any]]] = {
    "by our own way": lambda connection: connection.read(NOBODY, ONE),
    "by psycopg's": lambda connection: AsyncRawCursor(connection).execute("select 1"),
}


@pytest.mark.parametrize("ask", ASK.values(), ids=ASK)
async def test_what_the_server_ends_is_no_longer_watched(
    connection: RlsConnection, admin: psycopg.Connection[Any], ask: Callable[[RlsConnection], Awaitable[Any]]
) -> None:
    await connection.read(NOBODY, ONE)
    number = connection.pgconn.socket
    admin.execute(END, (connection.info.backend_pid,))
    with pytest.raises(psycopg.OperationalError):
        await ask(connection)
    assert not await is_watched(number)


async def test_the_end_of_an_idle_connection_keeps_nobody_busy(
    connection: RlsConnection, admin: psycopg.Connection[Any]
) -> None:
    await connection.read(NOBODY, ONE)
    admin.execute(END, (connection.info.backend_pid,))
    await eventually(lambda: connection._watched is None)
    assert not await is_watched(connection.pgconn.socket)


async def test_the_number_of_a_lost_connection_is_free_for_others(
    connection: RlsConnection, admin: psycopg.Connection[Any]
) -> None:
    await connection.read(NOBODY, ONE)
    number = connection.pgconn.socket
    admin.execute(END, (connection.info.backend_pid,))
    with pytest.raises(psycopg.OperationalError):
        await connection.read(NOBODY, ONE)
    os.dup2(0, number)  # it is taken: neither of the two gets it by itself
    ours, theirs = socket.socketpair()
    os.dup2(ours.fileno(), number)
    with ours, theirs, socket.socket(fileno=number) as other:
        other.setblocking(False)
        theirs.send(b"hello")
        async with asyncio.timeout(PATIENCE):
            assert await asyncio.get_running_loop().sock_recv(other, 5) == b"hello"


async def test_whoever_stops_waiting_stops_the_query(connection: RlsConnection, admin: psycopg.Connection[Any]) -> None:
    task = asyncio.create_task(connection.read(NOBODY, Query("select pg_sleep(60)")))
    pid = connection.info.backend_pid
    active = "select count(*) from pg_stat_activity where pid = %s and state = 'active' and query like '%%pg_sleep%%'"
    await eventually(lambda: admin.execute(active, (pid,)).fetchone() == (1,))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert admin.execute(active, (pid,)).fetchone() == (0,)
