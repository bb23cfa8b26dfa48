"""Until when a connection may stay open: its own time, its token's, its session's, the server's."""

import time
from collections.abc import Awaitable, Callable
from enum import StrEnum

import psycopg

from api_main.auth.errors import InvalidToken, KeysUnavailable, TokenExpired
from api_main.auth.principal import Principal
from api_main.events.follower import Follower


class End(StrEnum):
    """Why a connection ends."""

    TIME = "time"
    TOKEN_EXPIRED = "token_expired"  # noqa: S105
    SESSION_ENDED = "session_ended"
    SERVER_STOPPING = "server_stopping"
    UNAVAILABLE = "unavailable"


class Lifetime:
    """What a connection asks now and then: whether it is over."""

    def __init__(
        self,
        follower: Follower,
        principal: Principal,
        look_again: Callable[[], Awaitable[Principal]],
        *,
        seconds: float,
        period: float,
    ) -> None:
        """`look_again` is asked once in each period (in seconds) whether the token still holds."""
        self._follower = follower
        self._look_again = look_again
        self._ends_at = time.monotonic() + seconds
        self._period = period
        self.renew(principal)

    def renew(self, principal: Principal) -> None:
        """Go on with a token that has just been verified."""
        self._principal = principal
        self._look_at = time.monotonic() + self._period

    @property
    def seconds(self) -> float:
        """Until it must be asked again."""
        of_the_token = self._principal.expires_at - time.time()
        return max(0.0, min(self._ends_at - time.monotonic(), self._look_at - time.monotonic(), of_the_token))

    async def over(self) -> End | None:
        """Why it is over; None: it goes on."""
        if self._follower.is_closing:
            return End.SERVER_STOPPING
        if time.monotonic() >= self._ends_at:
            return End.TIME
        if self._principal.expires_at <= time.time():
            return End.TOKEN_EXPIRED
        return await self._look() if time.monotonic() >= self._look_at else None

    async def _look(self) -> End | None:
        try:
            self.renew(await self._look_again())
        except TokenExpired:
            return End.TOKEN_EXPIRED
        except InvalidToken:
            return End.SESSION_ENDED
        except (KeysUnavailable, psycopg.Error):
            return End.UNAVAILABLE
        return None
