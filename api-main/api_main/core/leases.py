"""So many at once for each owner, such as open connections of an account: over all replicas, where there is Redis.

There a place is a lease that runs out by itself. Whoever has it renews it; whoever was killed no longer does. While
Redis is away each process counts by itself, and what it lets in meanwhile counts for all as soon as Redis is back.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

from redis.asyncio.client import Pipeline

from api_main.core.redis import RedisAway, RedisServer
from api_main.core.stopping import end

LEASE_SECONDS = 30.0
"""That a place is taken after its holder was last heard of. It is renewed three times meanwhile."""

PREFIX = "api-main:lease:"
AT_ONCE = 500  # owners in one message to Redis

# A sorted set for each owner: its leases, and when each runs out (ms, by Redis' own clock).
TAKE = """
local now = redis.call("TIME")
now = now[1] * 1000 + math.floor(now[2] / 1000)
redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", now)
if redis.call("ZCARD", KEYS[1]) >= tonumber(ARGV[1]) and not redis.call("ZSCORE", KEYS[1], ARGV[3]) then
  return 0
end
redis.call("ZADD", KEYS[1], now + ARGV[2], ARGV[3])
redis.call("PEXPIRE", KEYS[1], ARGV[2])
return 1
"""

Leases = dict[str, set[str]]
"""By owner."""


class NoPlaceLeft(Exception):
    """The owner has as many as there may be."""


class SharedPlaces:
    """The places of one kind that all replicas have together."""

    def __init__(self, redis: RedisServer, kind: str, seconds: float = LEASE_SECONDS) -> None:
        self.redis = redis
        self.seconds = seconds
        self._milliseconds = int(seconds * 1000)
        self._prefix = f"{PREFIX}{kind}:"
        self._script = redis.client.register_script(TAKE)

    async def take(self, owner: str, lease: str, most: int) -> bool:
        """Whether there was one left. With Redis away there is."""
        if self.redis.is_here:
            with suppress(RedisAway):
                return bool(await self.redis.ask(self._script([self._key(owner)], [most, self._milliseconds, lease])))
        return True

    async def hold(self, held: Leases) -> None:
        """Have these, whatever Redis knows of them.

        Raises:
            RedisAway
        """
        seconds, microseconds = await self.redis.ask(self.redis.client.time())
        until = seconds * 1000 + microseconds // 1000 + self._milliseconds

        def add(pipeline: Pipeline, owner: str) -> None:
            pipeline.zadd(self._key(owner), dict.fromkeys(held[owner], until))
            pipeline.pexpire(self._key(owner), self._milliseconds)

        await self._send(held, add)

    async def give_back(self, left: Leases) -> None:
        """
        Raises:
            RedisAway: they will run out.
        """
        await self._send(left, lambda pipeline, owner: pipeline.zrem(self._key(owner), *left[owner]))

    async def _send(self, leases: Leases, add: Callable[[Pipeline, str], object]) -> None:
        owners = list(leases)
        for start in range(0, len(owners), AT_ONCE):
            async with self.redis.client.pipeline(transaction=False) as pipeline:
                for owner in owners[start : start + AT_ONCE]:
                    add(pipeline, owner)
                await self.redis.ask(pipeline.execute())

    def _key(self, owner: str) -> str:
        return self._prefix + owner


class Places:
    """The places that this process has, from `open_places`."""

    def __init__(self, most: int, shared: SharedPlaces | None) -> None:
        self._most = most
        self._shared = shared
        self._held: Leases = {}
        self._left: Leases = {}
        self._has_left = asyncio.Event()
        if shared is not None:
            shared.redis.on_return(self._renew)

    async def take(self, owner: str) -> str:
        """One more place of this owner, to be left with what this returns.

        Raises:
            NoPlaceLeft
        """
        held = self._held.setdefault(owner, set())
        if len(held) >= self._most:
            raise NoPlaceLeft
        lease = uuid4().hex
        held.add(lease)  # before we wait for anything: others must count it
        try:
            if self._shared is not None and not await self._shared.take(owner, lease, self._most):
                raise NoPlaceLeft
        except BaseException:
            self.leave(owner, lease)
            raise
        return lease

    def leave(self, owner: str, lease: str) -> None:
        self._held[owner].remove(lease)
        if not self._held[owner]:
            del self._held[owner]
        self._give_back(owner, lease)

    def _give_back(self, owner: str, lease: str) -> None:
        """Soon: thousands may be left in the same moment, and by tasks that have been cancelled."""
        if self._shared is not None:
            self._left.setdefault(owner, set()).add(lease)
            self._has_left.set()

    async def _renew(self) -> None:
        assert self._shared is not None
        held = {owner: set(leases) for owner, leases in self._held.items()}
        await self._shared.hold(held)
        for owner, leases in held.items():
            for lease in leases - self._held.get(owner, set()):  # given back meanwhile, and perhaps taken again by us
                self._give_back(owner, lease)

    async def keep_renewing(self, shared: SharedPlaces) -> None:
        while True:
            await asyncio.sleep(shared.seconds / 3)
            if shared.redis.is_here:
                with suppress(RedisAway):
                    await self._renew()

    async def keep_giving_back(self, shared: SharedPlaces) -> None:
        while True:
            await self._has_left.wait()
            await self.give_all_back(shared)

    async def give_all_back(self, shared: SharedPlaces) -> None:
        """All that was left. What Redis cannot be told of runs out there."""
        self._has_left.clear()
        left, self._left = self._left, {}
        if shared.redis.is_here:
            with suppress(RedisAway):
                await shared.give_back(left)


@asynccontextmanager
async def open_places(most: int, shared: SharedPlaces | None) -> AsyncIterator[Places]:
    """Places of which each owner may have so many; kept, and given back, meanwhile."""
    places = Places(most, shared)
    if shared is None:
        yield places
        return
    tasks = [asyncio.create_task(loop(shared)) for loop in (places.keep_renewing, places.keep_giving_back)]
    try:
        yield places
    finally:
        await asyncio.gather(*map(end, tasks))
        await places.give_all_back(shared)
