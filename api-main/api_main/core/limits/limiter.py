"""Whether a client may go on."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from math import ceil
from typing import NamedTuple, TypeVar

from api_main.core.limits.declarations import Limit
from api_main.core.limits.storages import Count, CountingStorage, ProcessStorage, SharedStorage, Window
from api_main.core.raw_headers import RawHeaders
from api_main.core.redis import RedisAway, RedisServer

T = TypeVar("T")


class Client(NamedTuple):
    """Who is counted, and how many times the usual amount they may ask."""

    key: str
    factor: float = 1.0


class Verdict(NamedTuple):
    """How a hit stands against the limit that it comes closest to.

    Attributes:
        amount: hits that the window allows.
        remaining: how many of them are left.
        reset: seconds until the window is over, rounded up.
    """

    amount: int
    remaining: int
    reset: int
    is_exceeded: bool

    @property
    def headers(self) -> dict[str, str]:
        """As in draft-ietf-httpapi-ratelimit-headers-06, which most clients know."""
        return {
            "RateLimit-Limit": str(self.amount),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset),
        }

    @property
    def raw_headers(self) -> RawHeaders:
        return [
            (b"ratelimit-limit", b"%d" % self.amount),
            (b"ratelimit-remaining", b"%d" % self.remaining),
            (b"ratelimit-reset", b"%d" % self.reset),
        ]


class Limiter:
    """Counts in Redis, where there is one, and in this process while it is away."""

    def __init__(self, redis: RedisServer | None = None, near: CountingStorage | None = None) -> None:
        self._redis = redis
        self._near = near or ProcessStorage()
        self._shared = SharedStorage(redis.pool) if redis is not None else None

    async def hit(self, client: Client, limits: Sequence[Limit]) -> Verdict:
        """Count a hit against every limit. It counts whatever comes of it: a thousand at once are a thousand."""
        windows = [_window(client, limit) for limit in limits]
        counts = await self._use(lambda storage: storage.hit(windows))
        found = [_verdict(client, limit, count) for limit, count in zip(limits, counts, strict=True)]
        return found[0] if len(found) == 1 else min(found, key=_severity)

    async def give_back(self, client: Client, limits: Sequence[Limit]) -> None:
        """Take a hit back that should not count after all."""
        for limit in limits:
            await self._use(partial(_give_back, _window(client, limit)))

    async def clear(self, client: Client, limits: Sequence[Limit]) -> None:
        """Forget all hits."""
        for limit in limits:
            await self._use(partial(_clear, _window(client, limit)))

    async def _use(self, method: Callable[[CountingStorage], Awaitable[T]]) -> T:
        if self._shared is not None and self._redis is not None and self._redis.is_here:
            with suppress(RedisAway):
                return await self._redis.ask(method(self._shared))
        return await method(self._near)


async def _give_back(window: Window, storage: CountingStorage) -> None:
    await storage.give_back(window)


async def _clear(window: Window, storage: CountingStorage) -> None:
    await storage.clear(window.key)


def _window(client: Client, limit: Limit) -> Window:
    return Window(f"{limit.scope}/{limit.seconds}/{client.key}", limit.seconds)


def _verdict(client: Client, limit: Limit, count: Count) -> Verdict:
    amount = max(1, int(limit.amount * client.factor))
    left = amount - count.hits
    return Verdict(amount, max(0, left), max(1, min(limit.seconds, ceil(count.left))), left < 0)


def _severity(verdict: Verdict) -> tuple[bool, int, int]:
    """Exceeded before all others, the longest wait first; else the one with least left."""
    if verdict.is_exceeded:
        return False, -verdict.reset, 0
    return True, verdict.remaining, -verdict.reset
