"""So many at a time, and the others in the order in which they came: a semaphore whose waiting costs little.

asyncio's, with a timeout around it, takes as long for one who waits as a statement does.
"""

import asyncio
from collections import deque
from contextlib import suppress

from api_main.core.deadline import Deadline


class Turns:
    """Turns that are taken, and passed on. Whoever takes one passes it on, once."""

    def __init__(self, free: int) -> None:
        self._free = free
        self._queue: deque[asyncio.Future[None]] = deque()

    def __len__(self) -> int:
        """How many wait."""
        return len(self._queue)

    def take(self) -> bool:
        """A turn, if one is free at once."""
        if not self._free:
            return False
        self._free -= 1
        return True

    async def wait(self, seconds: float) -> None:
        """A turn, after everybody who waits already.

        Raises:
            TimeoutError: none came in time.
        """
        turn = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            with Deadline(seconds):
                await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self.pass_on()  # it came at the same moment
            with suppress(ValueError):
                self._queue.remove(turn)
            raise

    def pass_on(self) -> None:
        """Give a turn to whoever has waited longest."""
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():  # or they have gone
                turn.set_result(None)
                return
        self._free += 1
