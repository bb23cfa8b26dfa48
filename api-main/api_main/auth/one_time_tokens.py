"""One-time tokens: what stands in a link or is typed in from a mail. Hashed, short-lived, used once.

As in Supabase Auth, a code of six digits and the address make the token of the link. Unlike there, a key of ours
makes it out of them, so that nobody else can: a million codes are soon tried, and trying a link is not counted.
The database keeps a SHA-256 of that, so a copy of the table opens no link.
"""

import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from math import ceil
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, delete, select

from api_main.auth.errors import OneTimeTokenInvalid
from api_main.auth.models import OneTimeToken, now_without_zone
from api_main.core.database import RlsSession
from api_main.core.settings import Settings

DIGITS = 6


class TokenKind(StrEnum):
    CONFIRMATION = "confirmation_token"
    REAUTHENTICATION = "reauthentication_token"
    RECOVERY = "recovery_token"
    EMAIL_CHANGE_NEW = "email_change_token_new"
    EMAIL_CHANGE_CURRENT = "email_change_token_current"


EMAIL_CHANGE_TOKENS = (TokenKind.EMAIL_CHANGE_NEW, TokenKind.EMAIL_CHANGE_CURRENT)


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """The code to type in, and the token of the link. Neither is stored."""

    code: str
    link: str


class OneTimeTokens:
    """Issues one-time tokens and redeems them. `key` makes links out of codes."""

    def __init__(self, key: bytes, settings: Settings) -> None:
        self._key = key
        self._lifetime = timedelta(seconds=settings.one_time_token_seconds)
        self._interval = timedelta(seconds=settings.mail_interval_seconds)

    def link(self, email: str, code: str) -> str:
        """The token of the link that belongs to a code: 64 hexadecimal digits."""
        return hmac.digest(self._key, f"{email}\n{code}".encode(), "sha256").hex()

    async def issue(
        self, session: RlsSession, user_id: UUID, kind: TokenKind, email: str, *, prefix: str = ""
    ) -> IssuedToken:
        """A new token of this kind; the one before it is void. `prefix` is put before that of the link."""
        code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
        link = prefix + self.link(email, code)
        fresh = {"token_hash": _stored(link), "relates_to": email, "created_at": now_without_zone()}
        statement = insert(OneTimeToken).values(id=uuid4(), user_id=user_id, token_type=kind, **fresh)
        # One per account and kind: of two that are asked for at once the later one holds.
        await session.exec(statement.on_conflict_do_update(index_elements=["user_id", "token_type"], set_=fresh))
        return IssuedToken(code, link)

    async def owner(self, session: RlsSession, kinds: Iterable[TokenKind], *links: str) -> UUID | None:
        """Whose token one of these links is. Lock the account before anything is done with it."""
        return (await session.exec(select(OneTimeToken.user_id).where(*_of(links, kinds)))).first()

    async def redeem(self, session: RlsSession, kinds: Iterable[TokenKind], *links: str) -> OneTimeToken:
        """Use a token up: that of one of these links.

        Raises:
            OneTimeTokenInvalid: there is none, it was used, or it is too old.
        """
        statement = delete(OneTimeToken).where(*_of(links, kinds))
        used = await session.exec(statement.returning(OneTimeToken), execution_options={"synchronize_session": False})
        token: OneTimeToken | None = used.scalars().first()
        if token is None or _age(token) > self._lifetime:
            raise OneTimeTokenInvalid
        return token

    async def is_due(self, session: RlsSession, user_id: UUID, kind: TokenKind) -> bool:
        """Whether a token of this kind may be mailed: none was just now."""
        return not await self.seconds_left(session, user_id, kind)

    async def seconds_left(self, session: RlsSession, user_id: UUID, kind: TokenKind) -> int:
        """How long it is until a token of this kind may be mailed."""
        statement = select(OneTimeToken).where(col(OneTimeToken.user_id) == user_id, _is_of([kind]))
        token = (await session.exec(statement)).one_or_none()
        return self.seconds_left_since(token.created_at.replace(tzinfo=UTC) if token else None)

    def seconds_left_since(self, mailed_at: datetime | None) -> int:
        """How long it is until another mail of the kind that was sent then may follow."""
        if mailed_at is None:
            return 0
        return max(0, ceil((mailed_at + self._interval - datetime.now(UTC)).total_seconds()))


async def void(session: RlsSession, user_id: UUID, kinds: Iterable[TokenKind]) -> None:
    """Take back what was issued to an account."""
    await session.exec(delete(OneTimeToken).where(col(OneTimeToken.user_id) == user_id, _is_of(kinds)))


def _of(links: Iterable[str], kinds: Iterable[TokenKind]) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return col(OneTimeToken.token_hash).in_([_stored(link) for link in links]), _is_of(kinds)


def _is_of(kinds: Iterable[TokenKind]) -> ColumnElement[bool]:
    return col(OneTimeToken.token_type).in_(list(kinds))


def _stored(link: str) -> str:
    return sha256(link.encode()).hexdigest()


def _age(token: OneTimeToken) -> timedelta:
    return now_without_zone() - token.created_at
