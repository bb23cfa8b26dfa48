"""One open connection, as those see it who have news for it."""

import asyncio
from collections.abc import Callable
from typing import Self
from uuid import UUID

from api_main.events.metrics import FOLLOWERS


class Follower:
    """One connection of an account: asleep until its feed has grown, or until something else is to be done.

    Thousands may be asleep. Each has a future and a timer, which take a third of what an `asyncio.Event` does.
    """

    __slots__ = ("_is_woken", "_leave", "_sleeper", "head", "is_closing", "lease", "owner")

    def __init__(self, owner: UUID, lease: str, leave: "Callable[[Follower], None]") -> None:
        """With the lease of its place.

        `leave` is called when the connection has ended: when the follower's block does, or by `leave`.
        """
        self.owner = owner
        self.lease = lease
        self.head = 0  # the newest id that is known of
        self.is_closing = False
        self._leave = leave
        self._is_woken = False
        self._sleeper: asyncio.Future[None] | None = None
        FOLLOWERS.inc()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def leave(self) -> None:
        FOLLOWERS.dec()
        self._leave(self)

    def close(self) -> None:
        """Have the connection end."""
        self.is_closing = True
        self.wake()

    def wake(self) -> None:
        self._is_woken = True
        self._rouse()

    async def wait(self, seconds: float) -> bool:
        """Sleep until somebody wakes us, but no longer than this. Whether somebody did."""
        if not self._is_woken:
            await self._sleep(seconds)
        is_woken, self._is_woken = self._is_woken, False
        return is_woken

    async def _sleep(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._sleeper = loop.create_future()
        alarm = loop.call_later(seconds, self._rouse)
        try:
            await self._sleeper
        finally:
            alarm.cancel()
            self._sleeper = None

    def _rouse(self) -> None:
        if self._sleeper is not None and not self._sleeper.done():
            self._sleeper.set_result(None)
