"""Who follows what in this process, and who wakes them: notifications, and a look now and then that misses nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from uuid import UUID

import psycopg
import structlog
from sqlalchemy.exc import DBAPIError

from api_main.core.database import Database
from api_main.core.leases import NoPlaceLeft, Places, SharedPlaces, open_places
from api_main.core.listening import Listener
from api_main.core.redis import RedisServer
from api_main.core.settings import Settings
from api_main.core.stopping import end, when_stopping
from api_main.events import repository
from api_main.events.errors import TooManyStreams
from api_main.events.follower import Follower
from api_main.events.presence import Presence

CHANNEL = "live_events"
CONNECTIONS = "connections"  # of an account, as Redis knows them
LOOK_SECONDS, LOOK_SECONDS_WHEN_DEAF = 15.0, 1.0
RETRY_SECONDS = 0.5
SWEEP_SECONDS = 60.0

log = structlog.get_logger()


class Hub:
    """The followers of this process, by account."""

    def __init__(self, database: Database, places: Places, keep: timedelta) -> None:
        """`keep`: for how long events can be asked for again."""
        self.presence = Presence(database)
        self._database = database
        self._places = places
        self._keep = keep
        self._followers: dict[UUID, set[Follower]] = {}
        self._look_now = asyncio.Event()
        self._is_closing = False

    async def follow(self, owner: UUID) -> Follower:
        """Be woken by this account's feed, until the follower leaves.

        Raises:
            TooManyStreams
        """
        try:
            lease = await self._places.take(str(owner))
        except NoPlaceLeft:
            raise TooManyStreams from None
        follower = Follower(owner, lease, self._forget)
        follower.is_closing = self._is_closing
        self._followers.setdefault(owner, set()).add(follower)
        return follower

    def _forget(self, follower: Follower) -> None:
        self._places.leave(str(follower.owner), follower.lease)
        others = self._followers[follower.owner]
        others.discard(follower)
        if not others:
            del self._followers[follower.owner]

    def hear(self, payload: str | None) -> None:
        """A feed has grown; or, without a payload, any of them may have."""
        if payload is None:
            self._look_now.set()
            return
        owner, _, head = payload.partition(" ")
        with suppress(ValueError):  # anybody with SQL may send a notification
            self._grow(UUID(owner), int(head))

    def close(self) -> None:
        """The server stops: whoever follows is to say goodbye."""
        self._is_closing = True
        for followers in self._followers.values():
            for follower in followers:
                follower.close()

    async def look(self) -> None:
        """Ask how far the feeds are that are followed here.

        Raises:
            sqlalchemy.exc.DBAPIError, psycopg.Error: the database is away.
        """
        if self._followers:
            async with self._database.session(repository.KEEPER) as session:
                heads = await repository.heads(session, list(self._followers))
            for owner, head in heads:
                self._grow(owner, head)

    async def keep_looking(self) -> None:
        seconds = LOOK_SECONDS if self._database.hears_notifications else LOOK_SECONDS_WHEN_DEAF
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._look_now.wait()
            self._look_now.clear()
            try:
                await self.look()
                await self.presence.keep()
            except (DBAPIError, psycopg.Error) as error:
                log.warning("feeds_not_looked_at", reason=type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)  # soon: there is one such failure for each connection that has died
                self._look_now.set()

    async def keep_sweeping(self) -> None:
        while True:
            with suppress(DBAPIError, psycopg.Error):
                async with self._database.session(repository.KEEPER) as session:
                    await repository.sweep(session, self._keep)
            await asyncio.sleep(SWEEP_SECONDS)

    def _grow(self, owner: UUID, head: int) -> None:
        for follower in self._followers.get(owner, ()):
            if head > follower.head:
                follower.head = head
                follower.wake()


@asynccontextmanager
async def open_hub(
    settings: Settings, database: Database, listener: Listener, redis: RedisServer | None
) -> AsyncIterator[Hub]:
    """A hub that hears and looks meanwhile."""
    shared = None if redis is None else SharedPlaces(redis, CONNECTIONS)
    async with open_places(settings.live_connections_per_user, shared) as places:
        hub = Hub(database, places, timedelta(seconds=settings.live_keep_seconds))
        listener.on(CHANNEL, hub.hear)
        listener.on(hub.presence.notifications, hub.presence.hear)
        tasks = [asyncio.create_task(hub.keep_looking()), asyncio.create_task(hub.keep_sweeping())]
        try:
            with when_stopping(hub.close):
                yield hub
        finally:
            hub.close()
            await asyncio.gather(*map(end, tasks))
            await hub.presence.drop()
