"""Guessing passwords ends after ten tries: per e-mail, whether it has an account or not."""

import time

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from api_main.auth.errors import TooManyAttempts

ATTEMPTS = RateLimitItemPerMinute(10, 15)


class Lockout:
    """Counts attempts to sign in, in a moving window. Success forgets them."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    async def begin(self, email: str) -> None:
        """Count one more attempt, before it is known how it ends: a thousand at once are a thousand.

        Raises:
            TooManyAttempts: there were too many of late.
        """
        if not await self._limiter.hit(ATTEMPTS, "sign-in", email):
            window = await self._limiter.get_window_stats(ATTEMPTS, "sign-in", email)
            raise TooManyAttempts(retry_after=int(window.reset_time - time.time()) + 1)

    async def succeed(self, email: str) -> None:
        await self._limiter.clear(ATTEMPTS, "sign-in", email)
