"""`public.api_tokens`, as their owner; and the one look-up by digest that turns a token into its owner."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import load_only
from sqlmodel import col, delete, select

from api_main.auth.personal_tokens.models import ApiToken
from api_main.core.database import RlsSession

# All but the digest, which no API role may read.
READABLE = load_only(
    *(ApiToken.id, ApiToken.owner_id, ApiToken.name, ApiToken.scopes, ApiToken.hint),  # type: ignore[arg-type]
    *(ApiToken.expires_at, ApiToken.last_used_at, ApiToken.created_at),  # type: ignore[arg-type]
)
USE = text("select id, owner_id, scopes, expires_at from private.use_api_token(:digest)")


async def add(session: RlsSession, token: ApiToken) -> None:
    session.add(token)
    await session.flush()


async def list_all(session: RlsSession) -> list[ApiToken]:
    """The caller's tokens, the newest first."""
    newest_first = (col(ApiToken.created_at).desc(), col(ApiToken.id))
    return list(await session.exec(select(ApiToken).options(READABLE).order_by(*newest_first)))


async def remove(session: RlsSession, token_id: UUID) -> bool:
    """Revoke a token of the caller. Whether there was one."""
    result = await session.exec(delete(ApiToken).where(col(ApiToken.id) == token_id))
    return result.rowcount > 0


@dataclass(frozen=True, slots=True)
class Grant:
    """Whom a live token stands for, and for what."""

    token_id: UUID
    owner_id: UUID
    scopes: list[str]
    expires_at: datetime | None


async def use(session: RlsSession, digest: str) -> Grant | None:
    """What a token grants, by its digest. None if it is unknown, over, or its owner may not sign in."""
    found = (await session.connection()).execute(USE, {"digest": digest})
    row = (await found).one_or_none()
    return None if row is None else Grant(*row)
