"""Guessing passwords ends after ten tries: per e-mail, whether it has an account or not."""

import time

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter

from api_main.auth.errors import TooManyAttempts

ATTEMPTS = RateLimitItemPerMinute(10, 15)


class Lockout:
    """Counts attempts to sign in, in a window that opens with the first. Success forgets them."""

    def __init__(self) -> None:
        # A count per e-mail, dropped when its window closes. In `limits`' storage a moving window keeps a list
        # instead, swept with a hop to a thread per e-mail, and a sweep fails if an e-mail is cleared meanwhile.
        self._limiter = FixedWindowRateLimiter(MemoryStorage())

    async def begin(self, name: str) -> None:
        """Count one more attempt, before it is known how it ends: a thousand at once are a thousand.

        Raises:
            TooManyAttempts: there were too many of late.
        """
        if not await self._limiter.hit(ATTEMPTS, "sign-in", name):
            window = await self._limiter.get_window_stats(ATTEMPTS, "sign-in", name)
            raise TooManyAttempts(retry_after=int(window.reset_time - time.time()) + 1)

    async def succeed(self, name: str) -> None:
        await self._limiter.clear(ATTEMPTS, "sign-in", name)
