"""Places that replicas have together: none too many, none lost, whatever becomes of a replica or of Redis."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process, create_subprocess_exec
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest
import structlog

from api_main.core.leases import PREFIX, Leases, NoPlaceLeft, Places, SharedPlaces, open_places
from api_main.core.redis import RedisAway, RedisServer, open_redis
from tests.patience import eventually
from tests.redis_server import LocalRedis

KEY = f"{PREFIX}test:ada"
REPLICA = """
import asyncio, sys
from api_main.core.leases import SharedPlaces, open_places
from api_main.core.redis import open_redis

async def main():
    async with open_redis(sys.argv[1]) as redis, open_places(9, SharedPlaces(redis, "test", seconds=3.0)) as places:
        while not redis.is_here:
            await asyncio.sleep(0.01)
        await places.take("ada")
        print("taken", flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


@asynccontextmanager
async def replica(url: str, most: int, seconds: float = 30.0) -> AsyncIterator[tuple[Places, RedisServer]]:
    async with open_redis(url) as redis:
        assert redis is not None
        async with open_places(most, SharedPlaces(redis, "test", seconds)) as places:
            await eventually(lambda: redis.is_here)
            yield places, redis


@asynccontextmanager
async def elsewhere(url: str, directory: Path) -> AsyncIterator[Process]:
    """Another process that has taken a place of ada's."""
    process = await create_subprocess_exec(sys.executable, "-c", REPLICA, url, cwd=directory, stdout=PIPE)
    assert process.stdout is not None
    try:
        assert await process.stdout.readline() == b"taken\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def has_place(places: Places) -> bool:
    """Whether ada has; it is taken, then."""
    with suppress(NoPlaceLeft):
        await places.take("ada")
        return True
    return False


async def test_without_redis_a_process_counts_by_itself() -> None:
    async with open_places(2, None) as places:
        leases = [await places.take("ada"), await places.take("ada")]
        assert not await has_place(places)
        await places.take("bob")
        places.leave("ada", leases[0])
        assert await has_place(places)


async def test_replicas_count_together_and_many_at_once_get_no_more(redis_server: LocalRedis) -> None:
    async with replica(redis_server.url, 7) as (one, _), replica(redis_server.url, 7) as (another, _):
        got = await asyncio.gather(*(has_place(places) for places in (one, another) * 20))
        assert sum(got) == 7
        await one.take("bob")


async def test_what_is_left_can_be_taken_elsewhere(redis_server: LocalRedis) -> None:
    async with AsyncExitStack() as stack:
        another, _ = await stack.enter_async_context(replica(redis_server.url, 1))
        async with replica(redis_server.url, 1) as (one, _):
            lease = await one.take("ada")
            assert not await has_place(another)
            one.leave("ada", lease)
            await eventually(lambda: has_place(another))
        assert redis_server.command("ZCARD", KEY) == 1
        assert 0 < redis_server.command("PTTL", KEY) <= 30_000


async def test_a_replica_that_stops_leaves_nothing(redis_server: LocalRedis) -> None:
    async with replica(redis_server.url, 9) as (places, _):
        leases = [await places.take("ada") for _ in range(3)]
        assert redis_server.command("ZCARD", KEY) == 3
        for lease in leases:
            places.leave("ada", lease)
    assert redis_server.command("EXISTS", KEY) == 0


async def test_a_place_is_held_far_longer_than_a_lease_lasts(redis_server: LocalRedis) -> None:
    async with replica(redis_server.url, 1, seconds=1.0) as (one, _), replica(redis_server.url, 1) as (another, _):
        await one.take("ada")
        first = redis_server.command("ZRANGE", KEY, 0, -1, "WITHSCORES")
        for _ in range(3):
            before = redis_server.command("ZRANGE", KEY, 0, -1, "WITHSCORES")
            await eventually(lambda: redis_server.command("ZRANGE", KEY, 0, -1, "WITHSCORES") != before)  # noqa: B023
        assert redis_server.command("ZRANGE", KEY, 0, -1) == first[:1]
        assert not await has_place(another)


async def test_the_places_of_a_process_that_was_killed_run_out(redis_server: LocalRedis, tmp_path: Path) -> None:
    """And nobody else's: ours is renewed meanwhile."""
    async with replica(redis_server.url, 2, seconds=3.0) as (places, _):
        await places.take("ada")
        async with elsewhere(redis_server.url, tmp_path) as process:
            assert not await has_place(places)
            process.kill()
            await process.wait()
            assert not await has_place(places)
            await eventually(lambda: has_place(places))
            assert not await has_place(places)


async def test_while_redis_is_away_each_counts_by_itself_and_afterwards_together(redis_server: LocalRedis) -> None:
    with structlog.testing.capture_logs():
        async with replica(redis_server.url, 2) as (one, first), replica(redis_server.url, 2) as (another, second):
            kept = await one.take("ada")
            redis_server.kill()
            assert await has_place(one)
            assert not await has_place(one)
            assert await has_place(another)
            redis_server.start()  # with nothing in it
            await eventually(lambda: first.is_here and second.is_here)
            assert redis_server.command("ZCARD", KEY) == 3
            one.leave("ada", kept)
            await eventually(lambda: redis_server.command("ZCARD", KEY) == 2)
            assert not await has_place(one)
            assert not await has_place(another)


async def test_a_place_that_is_left_while_it_is_renewed_is_not_held_by_nobody(
    redis_server: LocalRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold, is_given_back = SharedPlaces.hold, asyncio.Event()

    async def hold_late(shared: SharedPlaces, held: Leases) -> None:
        await is_given_back.wait()
        await hold(shared, held)

    async with replica(redis_server.url, 1, seconds=600.0) as (places, _):
        lease = await places.take("ada")
        monkeypatch.setattr(SharedPlaces, "hold", hold_late)
        renewal = asyncio.create_task(places._renew())
        await asyncio.sleep(0)  # it has seen who holds what
        places.leave("ada", lease)
        await eventually(lambda: redis_server.command("EXISTS", KEY) == 0)
        is_given_back.set()
        await renewal
        await eventually(lambda: redis_server.command("EXISTS", KEY) == 0)


@pytest.mark.parametrize("steps", range(8))
async def test_whoever_does_not_wait_for_a_place_has_none(redis_server: LocalRedis, steps: int) -> None:
    async with replica(redis_server.url, 1) as (places, _):
        taking = asyncio.create_task(places.take("ada"))
        for _ in range(steps):
            await asyncio.sleep(0)
        taking.cancel()
        await asyncio.wait([taking])
        if not taking.cancelled():  # it was done, or the library did not let itself be disturbed
            places.leave("ada", taking.result())
        assert places._held == {}
        await eventually(lambda: redis_server.command("EXISTS", KEY) == 0)


async def test_redis_that_goes_again_while_it_comes_is_waited_for(redis_server: LocalRedis) -> None:
    returns = list[bool]()

    async def returned() -> None:
        returns.append(True)
        if len(returns) == 1:
            raise RedisAway

    with structlog.testing.capture_logs() as log:
        async with open_redis(redis_server.url) as redis:
            assert redis is not None
            redis.on_return(returned)
            await eventually(lambda: redis.is_here)
    assert [line["event"] for line in log] == ["redis_is_away", "redis_is_back"]
    assert len(returns) == 2
