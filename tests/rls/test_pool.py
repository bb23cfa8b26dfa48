"""Whoever is cancelled, at whatever moment, is cancelled, and their connection serves the next."""

import asyncio
from contextlib import suppress

import pytest
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests
from psycopg_pool.pool_async import WaitingClient

from api_main.core.database import Database
from api_main.core.pool import RlsPool
from api_main.core.prelude import RlsConnection
from api_main.core.settings import Settings
from local_stack.postgres import EmbeddedPostgres
from tests.rls.doors import assert_nobody


async def test_a_cancellation_that_the_pool_has_swallowed_is_not_lost(database: Database) -> None:
    async def take() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        with suppress(asyncio.CancelledError):  # as the pool does when a connection comes at the same moment
            await asyncio.sleep(0)
        await database._pool.getconn()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(take())
    await assert_nobody(database)


async def test_a_connection_whose_user_is_cancelled_while_giving_it_back_is_not_lost(database: Database) -> None:
    pool = database._pool
    connection = await pool.getconn()
    given_up: WaitingClient[RlsConnection] = WaitingClient()
    given_up.error = PoolTimeout()
    pool._waiting.append(given_up)
    async with pool._lock:  # somebody else is being served
        giving_back = asyncio.create_task(pool.putconn(connection))
        await asyncio.sleep(0)
        giving_back.cancel()
        with pytest.raises(asyncio.CancelledError):
            await giving_back
    assert await pool.getconn() is connection
    await pool.putconn(connection)


async def test_whoever_waits_gets_the_connection_in_turn_and_nobody_waits_for_ever(database: Database) -> None:
    pool = database._pool
    connections = [await pool.getconn() for _ in range(pool.max_size)]
    order: list[int] = []

    async def use(number: int) -> None:
        async with pool.connection():
            order.append(number)

    waiting = [asyncio.create_task(use(number)) for number in range(5)]
    await asyncio.sleep(0)
    assert pool.queued == 5
    with pytest.raises(PoolTimeout):
        await pool.getconn(0.01)
    waiting.pop(1).cancel()
    for connection in connections:
        await pool.putconn(connection)
    await asyncio.gather(*waiting)
    assert (order, pool.queued) == ([0, 2, 3, 4], 0)
    await assert_nobody(database)


async def test_whoever_finds_the_queue_full_does_not_wait(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = database._pool
    monkeypatch.setattr(pool, "max_waiting", 2)
    connection = await pool.getconn()
    waiting = [asyncio.create_task(pool.getconn()) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(TooManyRequests):
        await pool.getconn()
    await pool.putconn(connection)
    for turn in waiting:
        await pool.putconn(await turn)
    assert (await pool.getconn(), pool.queued) == (connection, 0)
    await pool.putconn(connection)


async def test_a_closed_pool_gives_nothing(postgres: EmbeddedPostgres) -> None:
    pool = RlsPool(postgres.url(), connection_class=RlsConnection, max_size=1, min_size=1, open=False)
    for _ in range(2):  # a turn that was taken in vain has been given back
        with pytest.raises(PoolClosed):
            await pool.getconn(1)


async def test_without_an_address_nothing_is_heard(settings: Settings) -> None:
    deaf = Database(settings.model_copy(update={"database_transaction_pooler": True, "database_listen_url": None}))
    assert not deaf.hears_notifications
    assert [notice async for notice in deaf.notifications("tasks")] == []
