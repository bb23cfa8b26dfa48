"""The one way to Redis: a pool of connections, and a watch that knows whether Redis is there.

Redis is never needed: whoever asks for it goes on without it while it is away, and does not wait for a dead address.
That it has gone is logged once, and so is that it is back.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import structlog
from cashews.exceptions import CacheBackendInteractionError
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import RedisError

from api_main.core.stopping import end

log = structlog.get_logger()
T = TypeVar("T")

MOST_CONNECTIONS = 32
COMMAND_SECONDS = 1.0  # that a command may take, and that one may wait for a connection
BEAT_SECONDS = 1.0  # between two signs of life of the watch; two missed ones are a loss
RETRY_SECONDS = 0.5
CHANNEL = "api-main"
"""Where replicas tell each other things, in the one form that `core/cache.py` knows."""
TROUBLE = (RedisError, CacheBackendInteractionError, OSError, TimeoutError)


class RedisAway(Exception):
    """Redis does not answer: do without it."""


class RedisServer:
    """A Redis, from `open_redis`. Version 7 or newer.

    Attributes:
        client: for commands, which are to be awaited in `ask`.
        pool: the connections of the client, for a library that wants a client of its own.
        is_here: whether it answers, and notices arrive.
    """

    def __init__(self, url: str) -> None:
        self.is_here = False
        # A connection that rested in the pool may have died there: that shows at its first command.
        self.pool = _pool(url, MOST_CONNECTIONS, retries=1)
        self.client: Redis = Redis(connection_pool=self.pool)
        # One that reconnected by itself would hide which notices were missed.
        self._listener: Redis = Redis.from_pool(_pool(url, 1, retries=0))
        self._heard: list[Callable[[bytes], None]] = []
        self._lost: list[Callable[[], None]] = []
        self._returned: list[Callable[[], Awaitable[None]]] = []
        self._is_suspected = False
        self._was_logged = False

    def subscribe(
        self, heard: Callable[[bytes], None], lost: Callable[[], None], returned: Callable[[], Awaitable[None]]
    ) -> None:
        """Call `heard` with each notice, `lost` as soon as some may be missed, and `returned` when all come again."""
        self._heard.append(heard)
        self._lost.append(lost)
        self.on_return(returned)

    def on_return(self, returned: Callable[[], Awaitable[None]]) -> None:
        """Await `returned` each time that Redis has come, before anybody else knows of it.

        It may raise `RedisAway`: then Redis has gone again.
        """
        self._returned.append(returned)

    async def ask(self, command: Awaitable[T]) -> T:
        """The answer to a command.

        Raises:
            RedisAway: there is none.
        """
        try:
            return await command
        except TROUBLE as error:
            self._lose(error)
            raise RedisAway from error

    async def watch(self) -> None:
        """Keep `is_here` true to the facts, for ever."""
        while True:
            try:
                await self._attend()
            except (*TROUBLE, RedisAway) as error:
                self._lose(error)
            await asyncio.sleep(RETRY_SECONDS)

    async def _attend(self) -> None:
        """Hear notices until Redis is lost."""
        async with self._listener.pubsub() as pubsub:
            await pubsub.subscribe(CHANNEL)
            await self._hear(pubsub)  # that the subscription holds
            self._is_suspected = False
            for returned in self._returned:
                await returned()
            self.is_here = not self._is_suspected
            if self._was_logged and self.is_here:
                log.warning("redis_is_back")  # whoever was told the one must be told the other
                self._was_logged = False
            while not self._is_suspected:
                await self._hear(pubsub)

    async def _hear(self, pubsub: PubSub) -> None:
        """One notice, or one sign of life.

        Raises:
            ConnectionLost: neither came.
        """
        message = await pubsub.get_message(timeout=BEAT_SECONDS)
        if message is None:
            await pubsub.ping()
            message = await pubsub.get_message(timeout=BEAT_SECONDS)
        if message is None:
            raise ConnectionLost("silent")
        if message["type"] == "message":
            for heard in self._heard:
                heard(message["data"])

    async def close(self) -> None:
        await self._listener.aclose()
        await self.pool.aclose()

    def _lose(self, error: Exception) -> None:
        self.is_here, self._is_suspected = False, True
        for lost in self._lost:
            lost()
        if not self._was_logged:
            log.warning("redis_is_away", error=repr(error))
        self._was_logged = True


def _pool(url: str, size: int, *, retries: int) -> BlockingConnectionPool:
    pool: BlockingConnectionPool = BlockingConnectionPool.from_url(
        url,
        max_connections=size,
        timeout=COMMAND_SECONDS,
        socket_timeout=COMMAND_SECONDS,
        socket_connect_timeout=COMMAND_SECONDS,
        retry=Retry(NoBackoff(), retries, supported_errors=(ConnectionLost,)),
        client_name="api-main",
    )
    return pool


@asynccontextmanager
async def open_redis(url: str | None) -> AsyncIterator[RedisServer | None]:
    """The Redis at this address, watched while the block lasts; None without one.

    It connects in the background: a Redis that is away must not keep the API from starting.
    """
    if url is None:
        yield None
        return
    server = RedisServer(url)
    watch = asyncio.create_task(server.watch())
    try:
        yield server
    finally:
        await end(watch)
        await server.close()
