"""How an account is made once, however often somebody asks for it."""

from typing import Protocol
from uuid import UUID

from api_main.auth.user_object import Tokens, UserObject
from api_main.core.database import RlsSession


class Once(Protocol):
    """Knows what was asked before. `idempotency` has one for requests with a key."""

    async def claim(self, session: RlsSession) -> None:
        """Claim the request until the transaction ends.

        Raises:
            Exception: it has been answered, or is being answered elsewhere: what the caller is told instead.
        """
        ...

    async def keep(self, session: RlsSession, owner: UUID | None, answer: Tokens | UserObject) -> None:
        """Store the answer with what the transaction does, for as long as there is this account."""
        ...


class EachTime:
    """Nothing is remembered."""

    async def claim(self, session: RlsSession) -> None:
        pass

    async def keep(self, session: RlsSession, owner: UUID | None, answer: Tokens | UserObject) -> None:
        pass


EACH_TIME = EachTime()
