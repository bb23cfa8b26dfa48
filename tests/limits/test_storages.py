"""Where hits are counted: in the process, in Redis, and in the process again while Redis is away."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
import structlog
from fastapi import FastAPI
from limits import parse
from limits.aio.strategies import FixedWindowRateLimiter

from api_main.core.limits import storages
from api_main.core.limits.declarations import Limit
from api_main.core.limits.limiter import Client, Limiter
from api_main.core.limits.storages import Count, CountingStorage, ProcessStorage, SharedStorage, Window
from api_main.core.redis import RedisServer, open_redis
from api_main.core.settings import Settings
from tests.clock import Clock
from tests.limits.stage import caller, limited, running
from tests.patience import eventually
from tests.redis_server import LocalRedis

FIRST, SECOND = Window("first", 60), Window("second", 3600)
ADA = Client("user/ada")
THREE = Limit("default", 3, 3600)


@pytest.fixture
async def redis(redis_server: LocalRedis) -> AsyncIterator[RedisServer]:
    async with open_redis(redis_server.url) as server:
        assert server is not None
        await eventually(lambda: server.is_here)
        yield server


@pytest.fixture(params=["process", "redis"])
def storage(request: pytest.FixtureRequest) -> CountingStorage:
    if request.param == "process":
        return ProcessStorage()
    server: RedisServer = request.getfixturevalue("redis")
    return SharedStorage(server.pool)


async def test_hits_are_counted_window_by_window(storage: CountingStorage) -> None:
    await storage.hit([FIRST])
    first, second = await storage.hit([FIRST, SECOND])
    assert (first.hits, second.hits) == (2, 1)
    assert 50 < first.left < 60.1
    assert 3590 < second.left < 3600.1


async def test_a_hit_can_be_taken_back_and_all_of_them_forgotten(storage: CountingStorage) -> None:
    await storage.hit([FIRST])
    await storage.hit([FIRST])
    await storage.give_back(FIRST)
    await storage.give_back(SECOND)  # nothing is open: nothing happens
    assert [count.hits for count in await storage.hit([FIRST, SECOND])] == [2, 1]
    await storage.clear("first")
    assert [count.hits for count in await storage.hit([FIRST, SECOND])] == [1, 2]


async def test_a_window_that_is_over_begins_anew(storage: CountingStorage) -> None:
    short = Window("short", 1)

    async def is_over() -> bool:
        return (await storage.hit([short]))[0].hits == 1

    assert await is_over()
    assert not await is_over()
    await eventually(is_over)


async def test_many_at_once_are_all_counted(storage: CountingStorage) -> None:
    counts = await asyncio.gather(*(storage.hit([FIRST]) for _ in range(200)))
    assert sorted(count.hits for [count] in counts) == list(range(1, 201))


async def test_it_serves_the_strategies_of_the_library_too(storage: CountingStorage) -> None:
    strategy = FixedWindowRateLimiter(storage)
    assert [await strategy.hit(parse("2/minute"), "ada") for _ in range(3)] == [True, True, False]
    assert (await strategy.get_window_stats(parse("2/minute"), "ada")).remaining == 0
    assert await storage.check()
    await storage.reset()
    assert await strategy.hit(parse("2/minute"), "ada")


async def test_the_memory_of_the_process_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storages, "MOST_WINDOWS", 1000)
    storage = ProcessStorage()
    for number in range(3000):
        await storage.hit([Window(f"{number}", 60)])
    assert await storage.reset() == 1000


async def test_what_is_over_takes_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(storages, "time", clock)
    storage = ProcessStorage()
    for second in range(6000):
        clock.advance(0.1)
        await storage.hit([Window(f"{second}", 60)])
    assert await storage.reset() <= 601


class SlowStorage(ProcessStorage):
    """Takes 20 ms, like a store that is far away."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = self.most_waiting = 0

    async def hit(self, windows: Sequence[Window]) -> list[Count]:
        self.waiting += 1
        self.most_waiting = max(self.waiting, self.most_waiting)
        await asyncio.sleep(0.02)
        self.waiting -= 1
        return await super().hit(windows)


async def test_a_slow_storage_keeps_nobody_but_its_caller_waiting(strict_app: FastAPI) -> None:
    """slowapi as it comes waits for its storage on the event loop: one caller after the other."""
    slow = SlowStorage()
    strict_app.state.limiter = Limiter(near=slow)
    async with caller(strict_app) as client:
        answers = await asyncio.gather(*(client.get("/health/live") for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert slow.most_waiting == 50


async def test_replicas_count_together(redis: RedisServer, redis_server: LocalRedis) -> None:
    async with open_redis(redis_server.url) as other:
        assert other is not None
        await eventually(lambda: other.is_here)
        first, second = Limiter(redis), Limiter(other)
        verdicts = [await limiter.hit(ADA, [THREE]) for limiter in (first, second, first, second)]
    assert [verdict.is_exceeded for verdict in verdicts] == [False, False, False, True]
    assert [verdict.remaining for verdict in verdicts] == [2, 1, 0, 0]


async def test_with_redis_away_limits_go_on_in_the_process_and_return_by_themselves(
    redis: RedisServer, redis_server: LocalRedis
) -> None:
    limiter = Limiter(redis)
    with structlog.testing.capture_logs() as log:
        assert (await limiter.hit(ADA, [THREE])).remaining == 2
        redis_server.kill()
        left = [(await limiter.hit(ADA, [THREE])).remaining for _ in range(4)]
        assert left == [2, 1, 0, 0]
        assert (await limiter.hit(ADA, [THREE])).is_exceeded
        redis_server.start()
        await eventually(lambda: redis.is_here)
        assert (await limiter.hit(ADA, [THREE])).remaining == 2
        assert redis_server.command("KEYS", "api-main:limit:*") != []
    assert [line["event"] for line in log] == ["redis_is_away", "redis_is_back"]


async def test_the_application_goes_on_while_redis_comes_and_goes(settings: Settings, redis_server: LocalRedis) -> None:
    chosen = limited(settings, limits={"default": "3/hour"}, redis_url=redis_server.url)

    async def left(app: FastAPI, address: str) -> str:
        async with caller(app, address) as client:
            return (await client.get("/api/v1/tasks")).headers["RateLimit-Remaining"]

    async with running(chosen) as one, running(chosen) as another:

        async def both_count_together() -> bool:
            redis_server.command("FLUSHALL")
            return [await left(one, "192.0.2.1"), await left(another, "192.0.2.1")] == ["2", "1"]

        await eventually(both_count_together)
        redis_server.kill()
        assert [await left(one, "192.0.2.2") for _ in range(4)] == ["2", "1", "0", "0"]
        assert await left(another, "192.0.2.2") == "2"
        redis_server.start()
        await eventually(both_count_together)
