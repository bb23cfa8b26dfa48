"""The level of the cache that all replicas share: values, marks and locks in Redis. See `core/cache.py`."""

import asyncio
import hmac
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from hmac import compare_digest
from typing import NamedTuple
from uuid import uuid4

import cashews
from redis.asyncio import BlockingConnectionPool

from api_main.core.redis import CHANNEL, RedisAway, RedisServer

LONGEST_SECONDS = 60 * 60.0
"""That a value may be kept: one that should have been invalidated is gone after that, whatever happened."""

MARK_SECONDS = 2 * LONGEST_SECONDS
LOCK_SECONDS = 10.0  # that the replicas leave a load to one of them
GLANCE_SECONDS = 0.025  # between two looks whether it is done
PREFIX = "api-main:cache:"


class Kept(NamedTuple):
    """A value, and until when (wall clock, seconds) it holds."""

    until: float
    value: bytes


class SharedCache:
    """Values and marks. A value lies under a name that its marks are part of.

    Values are sealed with a secret that the replicas share: whoever gets at Redis alone can make none of them up, such
    as a key that signs tokens.
    """

    def __init__(self, redis: RedisServer, secret: bytes) -> None:
        self.redis = redis
        self._secret = secret
        self._values = cashews.Cache()
        self._values.setup(
            "redis://",
            suppress=False,
            pickle_type="null",  # bytes alone: whoever unpickles trusts all who may write there
            connection_pool_class=_Lender(redis.pool),
        )

    async def marks(self, tags: Sequence[str]) -> list[str]:
        """The mark of each tag; a tag without one gets one.

        Raises:
            RedisAway
        """
        if not tags:
            return []
        async with self.redis.client.pipeline(transaction=False) as pipeline:
            fresh = [new_mark() for _ in tags]
            for tag, mark in zip(tags, fresh, strict=True):
                pipeline.set(f"{PREFIX}mark:{tag}", mark, nx=True, get=True, px=int(MARK_SECONDS * 1000))
            found = await self.redis.ask(pipeline.execute())
        return [before.decode() if before else mark for before, mark in zip(found, fresh, strict=True)]

    async def renew(self, tags: Sequence[str]) -> None:
        """Give tags new marks, and tell every replica.

        Raises:
            RedisAway
        """
        async with self.redis.client.pipeline(transaction=True) as pipeline:
            for tag in tags:
                pipeline.set(f"{PREFIX}mark:{tag}", new_mark(), px=int(MARK_SECONDS * 1000))
            pipeline.publish(CHANNEL, json.dumps(tags))
            await self.redis.ask(pipeline.execute())

    async def get_or_load(self, name: str, load: Callable[[], Awaitable[Kept]]) -> Kept:
        """What is kept under a name, or else what `load` reads: in one replica, while the others wait for it.

        With Redis away it is `load`'s.
        """
        try:
            kept, ticket = await self._find_or_begin(name)
        except RedisAway:
            return await load()
        try:
            if kept is None:
                kept = await load()
                with suppress(RedisAway):
                    await self._put(name, kept)
            return kept
        finally:
            if ticket is not None:
                with suppress(RedisAway):
                    await self.redis.ask(self._values.unlock(f"{PREFIX}lock:{name}", ticket))

    async def _find_or_begin(self, name: str) -> tuple[Kept | None, str | None]:
        """What is kept, or a ticket to load it; neither, where another replica takes too long."""
        if kept := await self._find(name):
            return kept, None
        ticket = uuid4().hex
        if await self.redis.ask(self._values.set_lock(f"{PREFIX}lock:{name}", ticket, LOCK_SECONDS)):
            return await self._find(name), ticket  # another may just have finished
        return await self._wait_for(name), None

    async def _wait_for(self, name: str) -> Kept | None:
        """What another replica is loading. None: it gave up, or takes too long."""
        deadline = time.monotonic() + LOCK_SECONDS
        while time.monotonic() < deadline:
            is_at_it = await self.redis.ask(self._values.exists(f"{PREFIX}lock:{name}"))
            kept = await self._find(name)
            if kept is not None or not is_at_it:
                return kept
            await asyncio.sleep(GLANCE_SECONDS)
        return None

    async def _find(self, name: str) -> Kept | None:
        found: bytes | None = await self.redis.ask(self._values.get(PREFIX + name))
        seal, _, sealed = (found or b"").partition(b" ")
        if not compare_digest(seal, self._seal(name, sealed)):
            return None
        until, _, value = sealed.partition(b" ")
        return Kept(float(until), value)

    async def _put(self, name: str, kept: Kept) -> None:
        seconds = kept.until - time.time()
        if seconds > 0:
            sealed = b"%f %b" % kept
            value = b"%b %b" % (self._seal(name, sealed), sealed)
            await self.redis.ask(self._values.set(PREFIX + name, value, expire=seconds))

    def _seal(self, name: str, sealed: bytes) -> bytes:
        """That it was one of us who wrote this under this name."""
        return hmac.new(self._secret, b"%b %b" % (name.encode(), sealed), "sha256").hexdigest().encode()


def new_mark() -> str:
    """Never one that was there before: what lies under an old mark must stay out of reach."""
    return uuid4().hex


class _Lender:
    """What cashews takes for a kind of pool. It makes none, and hands out ours."""

    def __init__(self, pool: BlockingConnectionPool) -> None:
        self._pool = pool

    def from_url(self, _url: str, **_options: object) -> BlockingConnectionPool:
        return self._pool
