"""Who is in which presence channel: kept by Postgres, so that every process knows of all of them.

A channel belongs to those to whose accounts an administrator has given it (`channels` in their app_metadata). Only they
may join, and they see nobody else: so nobody learns of strangers.
"""

import asyncio
from collections import Counter
from contextlib import suppress
from typing import Protocol
from uuid import UUID, uuid4
from weakref import WeakValueDictionary

import psycopg
from sqlalchemy.exc import DBAPIError

from api_main.auth.principal import Principal
from api_main.core.database import Database
from api_main.events import repository

Place = tuple[str, UUID]
"""A channel, and somebody who is in it."""


class Watcher(Protocol):
    """A connection that wants to know who is in some channels."""

    def look_at(self, channel: str) -> None:
        """Somebody has come to this channel, or gone."""


class Presence:
    """Those who are connected to this process, and whoever wants to know of the others."""

    notifications = "presences"

    def __init__(self, database: Database) -> None:
        self._database = database
        self._process = uuid4()
        self._here: Counter[Place] = Counter()
        self._watchers: dict[str, set[Watcher]] = {}
        self._turns: WeakValueDictionary[Place, asyncio.Lock] = WeakValueDictionary()

    def hear(self, channel: str | None) -> None:
        """Somebody has come or gone; or, without a channel, may have anywhere."""
        for name in list(self._watchers) if channel is None else [channel]:
            for watcher in self._watchers.get(name, ()):
                watcher.look_at(name)

    async def join(self, principal: Principal, channel: str, watcher: Watcher) -> bool:
        """Be seen, and hear of others. False: the channel is not the caller's."""
        if not await self.stay(principal, channel):
            return False
        self._here[channel, principal.subject] += 1
        self._watchers.setdefault(channel, set()).add(watcher)
        return True

    async def stay(self, principal: Principal, channel: str) -> bool:
        """Be seen, whatever has become of what the database knew of it. False: the channel is not the caller's."""
        async with self._turn((channel, principal.subject)), self._database.session(principal.identity) as session:
            return await repository.join(session, channel, self._process)

    async def leave(self, principal: Principal, channel: str, watcher: Watcher) -> None:
        """Be seen no longer, unless by another connection to this process."""
        self._watchers[channel].discard(watcher)
        if not self._watchers[channel]:
            del self._watchers[channel]
        place = channel, principal.subject
        self._here -= Counter([place])  # and gone with the last one
        async with self._turn(place):
            if place not in self._here:
                with suppress(DBAPIError, psycopg.Error):  # `keep` will tell
                    async with self._database.session(principal.identity) as session:
                        await repository.leave(session, channel, self._process)

    async def present(self, principal: Principal, channel: str) -> list[str]:
        """The ids of those who are there."""
        return await repository.present(self._database.reader(principal.identity), channel)

    async def keep(self) -> None:
        """Say who is here, and have everybody look again: a channel may have been taken from somebody."""
        if self._here:
            await self._keep(list(self._here))
            self.hear(None)

    async def drop(self) -> None:
        """Say that nobody is here any more."""
        if self._here:
            with suppress(DBAPIError, psycopg.Error):  # it runs out, then
                await self._keep([])

    async def _keep(self, here: list[Place]) -> None:
        async with self._database.session(repository.KEEPER) as session:
            await repository.keep(session, self._process, here)

    def _turn(self, place: Place) -> asyncio.Lock:
        """Coming and going of one person happen one after another, or the database could see them the other way."""
        return self._turns.setdefault(place, asyncio.Lock())
