"""Guessing passwords ends after ten tries an hour: per e-mail, whether it has an account or not, and per address."""

from collections.abc import Sequence
from hashlib import sha256

from api_main.auth.client import network_of
from api_main.auth.errors import TooManyAttempts
from api_main.core.limits.declarations import SIGN_IN, SIGN_IN_ADDRESS, Limit, Policy
from api_main.core.limits.limiter import Client, Limiter
from api_main.core.settings import Settings


class Lockout:
    """Counts attempts to sign in, in a window that opens with the first.

    Success forgets those of the account. Of those of the address it takes back its own alone: who has an account of
    their own could guess at others for ever.
    """

    def __init__(self, limiter: Limiter, by_name: Sequence[Limit], by_address: Sequence[Limit]) -> None:
        self._limiter = limiter
        self._by_name = by_name
        self._by_address = by_address

    async def begin(self, name: str, address: str | None = None) -> None:
        """Count one more attempt, before it is known how it ends: a thousand at once are a thousand.

        Raises:
            TooManyAttempts: there were too many of late.
        """
        await self._count(_named(name), self._by_name)
        if address is not None:
            await self._count(_at(address), self._by_address)

    async def succeed(self, name: str, address: str | None = None) -> None:
        await self._limiter.clear(_named(name), self._by_name)
        await self._give_back(address)

    async def withdraw(self, name: str, address: str | None = None) -> None:
        """Take the last attempt back: nobody knows how it would have ended."""
        await self._limiter.give_back(_named(name), self._by_name)
        await self._give_back(address)

    async def _give_back(self, address: str | None) -> None:
        if address is not None:
            await self._limiter.give_back(_at(address), self._by_address)

    async def _count(self, client: Client, limits: Sequence[Limit]) -> None:
        if not limits:
            return
        verdict = await self._limiter.hit(client, limits)
        if verdict.is_exceeded:
            raise TooManyAttempts(retry_after=verdict.reset, headers=verdict.headers)


def _named(name: str) -> Client:
    """Not in so many words: the store of all replicas is no list of e-mails."""
    return Client(f"name/{sha256(name.encode()).hexdigest()}")


def _at(address: str) -> Client:
    return Client(f"address/{network_of(address)}")


def lockout(limiter: Limiter, settings: Settings) -> Lockout:
    """As the settings have it: with `RATE_LIMIT_ENABLED=false` nothing is counted."""
    if not settings.rate_limit_enabled:
        return Lockout(limiter, (), ())
    policy = Policy(settings.rate_limits)
    return Lockout(limiter, policy.named(SIGN_IN), policy.named(SIGN_IN_ADDRESS))
