"""Redis may come and go, and what lies there is not believed blindly."""

import structlog

from api_main.core.cache import Cache
from api_main.core.redis import open_redis
from tests.cache.source import Source
from tests.patience import eventually
from tests.redis_server import LocalRedis


async def test_redis_comes_and_goes(redis_server: LocalRedis) -> None:
    source = Source("first")

    async def seen(cache: Cache) -> bytes:
        return await cache.get_or_load("thing", 60, source.read, whose=None, tags=["a"])

    with structlog.testing.capture_logs() as log:
        async with open_redis(redis_server.url) as one, open_redis(redis_server.url) as another:
            assert one is not None
            assert another is not None
            first, second = Cache(one), Cache(another)
            await eventually(lambda: one.is_here and another.is_here)
            assert [await seen(first), await seen(second)] == [b"first"] * 2
            redis_server.kill()
            for value in ("second", "third"):  # everything from the source, at once
                source.value = value
                await eventually(lambda: not one.is_here and not another.is_here)
                assert [await seen(first), await seen(second)] == [value.encode()] * 2
            redis_server.start()
            await eventually(lambda: one.is_here and another.is_here)
            reads = source.reads
            assert [await seen(first), await seen(second), await seen(first)] == [b"third"] * 3
            assert source.reads == reads + 1
    assert sorted(line["event"] for line in log) == ["redis_is_away"] * 2 + ["redis_is_back"] * 2


async def test_what_was_invalidated_while_redis_was_away_is_made_up_for(redis_server: LocalRedis) -> None:
    """Redis was there all the time, with what it keeps; only one replica could not reach it."""
    source = Source("old")

    async def seen(cache: Cache) -> bytes:
        return await cache.get_or_load("thing", 60, source.read, whose=None, tags=["a"])

    async with open_redis(redis_server.url) as one, open_redis(redis_server.url) as another:
        assert one is not None
        assert another is not None
        cut_off, connected = Cache(one), Cache(another)
        await eventually(lambda: one.is_here and another.is_here)
        assert await seen(connected) == b"old"
        one._lose(ConnectionError())
        source.value = "new"
        await cut_off.invalidate("a")
        assert await seen(cut_off) == b"new"
        await eventually(lambda: one.is_here)

        async def has_arrived() -> bool:
            return await seen(connected) == b"new"

        await eventually(has_arrived)
        assert await seen(cut_off) == b"new"


async def test_it_starts_without_the_redis_that_it_should_have() -> None:
    source = Source()
    with structlog.testing.capture_logs() as log:
        async with open_redis("redis://127.0.0.1:1/0") as redis:
            cache = Cache(redis)
            for _ in range(3):
                assert await cache.get_or_load("thing", 60, source.read, whose=None) == b"value"
            await eventually(lambda: log != [])
    assert source.reads == 3
    assert [line["event"] for line in log] == ["redis_is_away"]


async def test_what_lies_in_redis_is_bytes_and_never_a_pickle(
    replicas: tuple[Cache, Cache], redis_server: LocalRedis
) -> None:
    await replicas[0].get_or_load("thing", 60, Source("plain text").read, whose=None, tags=["a"])
    keys = redis_server.command("KEYS", "api-main:*")
    values = [redis_server.command("GET", key) for key in keys]
    assert any(value.endswith(b"plain text") and value.startswith(b"bytes:") for value in values)
    assert all(0 < redis_server.command("TTL", key) <= 2 * 3600 for key in keys)  # Redis may let go of all of it


async def test_what_somebody_else_wrote_into_redis_is_not_believed(
    replicas: tuple[Cache, Cache], redis_server: LocalRedis
) -> None:
    first, second = replicas
    await first.get_or_load("thing", 60, Source("ours").read, whose=None)
    [key] = redis_server.command("KEYS", "api-main:cache:*")
    value = redis_server.command("GET", key)
    redis_server.command("SET", key, value.replace(b"ours", b"evil"))
    assert await second.get_or_load("thing", 60, Source("read anew").read, whose=None) == b"read anew"


async def test_what_is_bound_by_its_time_alone_is_kept_while_redis_is_away(redis_server: LocalRedis) -> None:
    source = Source()

    async def seen(cache: Cache) -> bytes:
        return await cache.get_or_load("thing", 60, source.read, whose=None, tags=["a"], unheard=True)

    async with open_redis(redis_server.url) as redis:
        assert redis is not None
        cache = Cache(redis)
        await eventually(lambda: redis.is_here)
        redis_server.kill()
        await eventually(lambda: not redis.is_here)
        assert {await seen(cache) for _ in range(5)} == {b"value"}
        assert source.reads == 1
        assert cache.known("thing", "a") == b"value"
        source.value = "new"
        await cache.invalidate("a")
        assert await seen(cache) == b"new"
        redis_server.start()
        await eventually(lambda: redis.is_here)
        assert cache.known("thing", "a") is None  # it may have changed elsewhere meanwhile
