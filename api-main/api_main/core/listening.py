"""What is sent with NOTIFY, heard on one connection for the whole process."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

import psycopg
import structlog

from api_main.core.database import Database
from api_main.core.stopping import end

RECONNECT_SECONDS = 1.0

log = structlog.get_logger()

Handler = Callable[[str | None], None]
"""Is called with each payload; with None whenever the connection is new: look for what you have missed."""


class Listener:
    """Hears every channel that somebody has asked for before it runs, and comes back when it is cut off."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._handlers: dict[str, Handler] = {}

    def on(self, channel: str, handler: Handler) -> None:
        self._handlers[channel] = handler

    async def run(self) -> None:
        """Until it is cancelled. Where nothing can be heard it ends at once: whoever waits has to look."""
        while self._database.hears_notifications:
            try:
                await self._hear()
            except psycopg.Error as error:
                log.warning("listener_lost", reason=type(error).__name__)
            await asyncio.sleep(RECONNECT_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311 - spreads the replicas

    async def _hear(self) -> None:
        async with aclosing(self._database.notifications(*self._handlers)) as notifications:
            async for heard in notifications:
                if heard is None:
                    for handler in self._handlers.values():
                        handler(None)
                else:
                    self._handlers[heard.channel](heard.payload)


@asynccontextmanager
async def listening(listener: Listener) -> AsyncIterator[None]:
    """Hear meanwhile."""
    task = asyncio.create_task(listener.run())
    try:
        yield
    finally:
        await end(task)
