"""One-time tokens: what stands in a link or is typed in from a mail. Hashed, short-lived, used once.

As in Supabase Auth, a code of six digits and the address make the token of the link: SHA-224 of both, in hex. The
database keeps a SHA-256 of that, so a copy of the table opens no link.
"""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from hashlib import sha224, sha256
from uuid import UUID, uuid4

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, delete, select

from api_main.auth.errors import OneTimeTokenInvalid
from api_main.auth.models import OneTimeToken, now_without_zone
from api_main.core.database import RlsSession

DIGITS = 6


class TokenKind(StrEnum):
    CONFIRMATION = "confirmation_token"
    REAUTHENTICATION = "reauthentication_token"
    RECOVERY = "recovery_token"
    EMAIL_CHANGE_NEW = "email_change_token_new"
    EMAIL_CHANGE_CURRENT = "email_change_token_current"


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """The code to type in, and the token of the link. Neither is stored."""

    code: str
    link: str


def link_token(email: str, code: str) -> str:
    return sha224((email + code).encode()).hexdigest()


async def issue(session: RlsSession, user_id: UUID, kind: TokenKind, email: str) -> IssuedToken:
    """A new token of this kind; the one before it is void."""
    code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
    link = link_token(email, code)
    fresh = {"token_hash": _stored(link), "relates_to": email, "created_at": now_without_zone()}
    statement = insert(OneTimeToken).values(id=uuid4(), user_id=user_id, token_type=kind, **fresh)
    # One per account and kind: of two that are asked for at once the later one holds.
    await session.exec(statement.on_conflict_do_update(index_elements=["user_id", "token_type"], set_=fresh))
    return IssuedToken(code, link)


async def redeem(session: RlsSession, kinds: list[TokenKind], link: str, lifetime: int) -> OneTimeToken:
    """Use a token up.

    Raises:
        OneTimeTokenInvalid: there is none, it was used, or it is older than `lifetime` seconds.
    """
    statement = delete(OneTimeToken).where(
        col(OneTimeToken.token_hash) == _stored(link), col(OneTimeToken.token_type).in_(kinds)
    )
    used = await session.exec(statement.returning(OneTimeToken), execution_options={"synchronize_session": False})
    token: OneTimeToken | None = used.scalars().one_or_none()
    if token is None or _age(token) > timedelta(seconds=lifetime):
        raise OneTimeTokenInvalid
    return token


async def was_sent_within(session: RlsSession, user_id: UUID, kind: TokenKind, seconds: int) -> bool:
    token = (await session.exec(select(OneTimeToken).where(*_of(user_id, kind)))).one_or_none()
    return token is not None and _age(token) < timedelta(seconds=seconds)


def _of(user_id: UUID, kind: TokenKind):  # type: ignore[no-untyped-def]  # noqa: ANN202
    return col(OneTimeToken.user_id) == user_id, col(OneTimeToken.token_type) == kind


def _stored(link: str) -> str:
    return sha256(link.encode()).hexdigest()


def _age(token: OneTimeToken) -> timedelta:
    return now_without_zone() - token.created_at
