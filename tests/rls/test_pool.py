"""Whoever is cancelled, at whatever moment, is cancelled, and their connection serves the next."""

import asyncio
from contextlib import suppress

import pytest

from api_main.core.database import Database
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
    async with pool._lock:  # somebody else is being served
        giving_back = asyncio.create_task(pool.putconn(connection))
        await asyncio.sleep(0)
        giving_back.cancel()
        with pytest.raises(asyncio.CancelledError):
            await giving_back
    assert await pool.getconn() is connection
    await pool.putconn(connection)
