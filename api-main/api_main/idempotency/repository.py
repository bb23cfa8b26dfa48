"""Rows of `public.idempotency_keys`, as the caller whose they are, or as `auth_admin`; and their end."""

from typing import NamedTuple
from uuid import UUID

from sqlalchemy import TextClause, text

from api_main.core.database import RlsSession, send_with_commit

CLAIM = text("select is_claimed, request_digest, answer from private.claim_idempotency_key(:digest)")
KEEP = "insert into public.idempotency_keys (key_digest, request_digest, answer) values ($1, $2, $3)"
CLAIM_SIGN_UP = text("select is_claimed, request_digest, answer from private.claim_sign_up_key(:digest)")
KEEP_SIGN_UP = "select private.keep_sign_up($1, $2, $3, $4)"
SWEEP = text("select private.sweep_idempotency_keys()")


class Claim(NamedTuple):
    """Whether the key is this transaction's; and what was asked and answered with it before, if anything was."""

    is_claimed: bool
    request_digest: bytes | None
    answer: bytes | None


async def claim(session: RlsSession, digest: bytes) -> Claim:
    return await _claim(session, CLAIM, digest)


async def keep(session: RlsSession, digest: bytes, request_digest: bytes, answer: bytes) -> None:
    """Store an answer with what the session has written: both or neither, and in no more time."""
    await send_with_commit(session, KEEP, digest, request_digest, answer)


async def claim_sign_up(session: RlsSession, digest: bytes) -> Claim:
    """As `claim`, for somebody who has no account yet."""
    return await _claim(session, CLAIM_SIGN_UP, digest)


async def keep_sign_up(
    session: RlsSession, owner: UUID | None, digest: bytes, request_digest: bytes, answer: bytes
) -> None:
    """As `keep`; the answer goes with its owner, the account of the e-mail."""
    await send_with_commit(session, KEEP_SIGN_UP, owner, digest, request_digest, answer)


async def sweep(session: RlsSession) -> int:
    swept: int = (await (await session.connection()).execute(SWEEP)).scalar_one()
    return swept


async def _claim(session: RlsSession, statement: TextClause, digest: bytes) -> Claim:
    row = (await (await session.connection()).execute(statement, {"digest": digest})).one()
    return Claim(*row)
