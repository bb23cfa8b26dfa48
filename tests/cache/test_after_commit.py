"""What a write changes is invalidated when it is committed, and only then."""

import pytest
from fastapi import FastAPI

from api_main.core.cache import Cache, forget_after
from api_main.core.database import Database
from api_main.core.prelude import Identity
from api_main.core.settings import Settings
from tests.patience import eventually

ANYBODY = Identity("anon")


async def test_a_tag_is_invalidated_once_the_transaction_is_committed(app: FastAPI) -> None:
    database: Database = app.state.database
    cache, reads = Cache(), list[bytes]()

    async def read() -> bytes:
        reads.append(b"")
        return b"value"

    async def seen() -> int:
        await cache.get_or_load("thing", 60, read, whose=None, tags=["a"])
        return len(reads)

    assert await seen() == 1
    async with database.session(ANYBODY) as session:
        cache.invalidate_after(session, "a")
        assert await seen() == 1
    assert await seen() == 2


async def test_nothing_is_invalidated_by_a_transaction_that_fails(app: FastAPI) -> None:
    database: Database = app.state.database
    done = list[str]()

    async def work() -> None:
        done.append("work")

    async def fail() -> None:
        async with database.session(ANYBODY) as session:
            session.after_commit(work)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert done == []


async def test_whoever_has_a_session_and_no_more_can_have_it_forgotten(
    settings: Settings, replicas: tuple[Cache, Cache]
) -> None:
    """As jobs do, in a process of their own."""
    workers, apis = replicas
    database = Database(settings)
    workers.serve(database)
    reads = list[bytes]()

    async def read() -> bytes:
        reads.append(b"")
        return b"value"

    async def is_read_again() -> bool:
        await apis.get_or_load("thing", 60, read, whose=None, tags=["a"])
        return len(reads) == 2

    assert not await is_read_again()
    assert not await is_read_again()
    await database.open()
    async with database.session(ANYBODY) as session:
        forget_after(session, "a")
    await database.close()
    await eventually(is_read_again)
