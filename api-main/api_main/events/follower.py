"""One open connection, as those see it who have news for it."""

import asyncio
from uuid import UUID


class Follower:
    """One connection of an account: asleep until its feed has grown, or until something else is to be done."""

    __slots__ = ("_woken", "head", "is_closing", "owner")

    def __init__(self, owner: UUID) -> None:
        self.owner = owner
        self.head = 0  # the newest id that is known of
        self.is_closing = False
        self._woken = asyncio.Event()

    def wake(self) -> None:
        self._woken.set()

    async def wait(self, seconds: float) -> bool:
        """Sleep until somebody wakes us, but no longer than this. Whether somebody did."""
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return False
        self._woken.clear()
        return True
