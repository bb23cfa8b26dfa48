"""Where hits are counted: `limits` storages with one more method, which counts several windows in one step.

A window opens with its first hit, and is gone when its time is over.
"""

import time
from abc import abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

from redis.asyncio import BlockingConnectionPool

from limits.aio.storage import RedisStorage, Storage

MOST_WINDOWS = 100_000  # of one length in a process; beyond, the oldest is forgotten

COUNT = """
local counts = {}
for i, key in ipairs(KEYS) do
  local hits = redis.call("INCR", key)
  local left = redis.call("PTTL", key)
  if left < 0 then
    left = tonumber(ARGV[i])
    redis.call("PEXPIRE", key, left)
  end
  counts[i] = {hits, left}
end
return counts
"""
GIVE_BACK = """
if redis.call("EXISTS", KEYS[1]) == 1 then
  redis.call("DECR", KEYS[1])
end
"""


class Window(NamedTuple):
    """What is counted together: a key, for so many seconds."""

    key: str
    seconds: int


class Count(NamedTuple):
    """The hits of a window, this one included, and the seconds until it is over."""

    hits: int
    left: float


class CountingStorage(Storage):
    """What the limiter needs of a storage."""

    @abstractmethod
    async def hit(self, windows: Sequence[Window]) -> list[Count]:
        """Count one hit in each window."""

    @abstractmethod
    async def give_back(self, window: Window) -> None:
        """Take one hit back, if the window is still open."""


class ProcessStorage(CountingStorage):
    """Counts in this process.

    `limits` has one of the kind, which goes through all keys at every hit: 1.5 ms with 10,000 clients. Here each length
    of window has its own dictionary, in which the oldest stand first.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lanes: dict[int, dict[str, list[float]]] = {}  # seconds -> key -> [hits, end]

    async def hit(self, windows: Sequence[Window]) -> list[Count]:
        now = time.monotonic()
        return [self._count(window, now) for window in windows]

    def _count(self, window: Window, now: float) -> Count:
        key, seconds = window
        lane = self._lanes.setdefault(seconds, {})
        found = lane.get(key)
        if found is None or found[1] <= now:
            lane.pop(key, None)
            self._let_go(lane, now)
            found = lane[key] = [0, now + seconds]
        found[0] += 1
        return Count(int(found[0]), found[1] - now)

    def _let_go(self, lane: dict[str, list[float]], now: float) -> None:
        """Two windows that are over for each one that opens: so what is over never piles up."""
        for _ in range(2):
            oldest = next(iter(lane), None)
            if oldest is None or (lane[oldest][1] > now and len(lane) < MOST_WINDOWS):
                return
            del lane[oldest]

    async def give_back(self, window: Window) -> None:
        found = self._lanes.get(window.seconds, {}).get(window.key)
        if found is not None and found[0] > 0:
            found[0] -= 1

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        counts = [self._count(Window(key, expiry), time.monotonic()) for _ in range(amount)]
        return counts[-1].hits

    async def get(self, key: str) -> int:
        return int(next((found[0] for found in self._open(key)), 0))

    async def get_expiry(self, key: str) -> float:
        left = next((found[1] - time.monotonic() for found in self._open(key)), 0.0)
        return time.time() + left

    async def clear(self, key: str) -> None:
        for lane in self._lanes.values():
            lane.pop(key, None)

    async def check(self) -> bool:
        return True

    async def reset(self) -> int:
        count = sum(map(len, self._lanes.values()))
        self._lanes.clear()
        return count

    @property
    def base_exceptions(self) -> type[Exception]:
        return ValueError

    def _open(self, key: str) -> list[list[float]]:
        lanes = (lane.get(key) for lane in self._lanes.values())
        return [found for found in lanes if found is not None and found[1] > time.monotonic()]


class SharedStorage(RedisStorage, CountingStorage):
    """Counts in Redis, for all replicas: one round trip, however many windows."""

    def __init__(self, pool: BlockingConnectionPool) -> None:
        options: dict[str, object] = {"connection_pool": pool}
        super().__init__("redis://", implementation="redispy", key_prefix="api-main:limit", **options)  # type: ignore[arg-type]
        client = self.bridge.get_connection()  # type: ignore[attr-defined]
        self._count = client.register_script(COUNT)
        self._give_back = client.register_script(GIVE_BACK)

    async def hit(self, windows: Sequence[Window]) -> list[Count]:
        keys = [self.bridge.prefixed_key(window.key) for window in windows]
        counted = await self._count(keys, [window.seconds * 1000 for window in windows])
        return [Count(hits, left / 1000) for hits, left in counted]

    async def give_back(self, window: Window) -> None:
        await self._give_back([self.bridge.prefixed_key(window.key)])
