"""Rows of `public.idempotency_keys`, as the caller whose they are; and their end."""

from typing import NamedTuple

from sqlalchemy import text

from api_main.core.database import RlsSession, send_with_commit

CLAIM = text("select is_claimed, request_digest, answer from private.claim_idempotency_key(:digest)")
KEEP = "insert into public.idempotency_keys (key_digest, request_digest, answer) values ($1, $2, $3)"
SWEEP = text("select private.sweep_idempotency_keys()")


class Claim(NamedTuple):
    """Whether the key is this transaction's; and what was asked and answered with it before, if anything was."""

    is_claimed: bool
    request_digest: bytes | None
    answer: bytes | None


async def claim(session: RlsSession, digest: bytes) -> Claim:
    row = (await (await session.connection()).execute(CLAIM, {"digest": digest})).one()
    return Claim(*row)


async def keep(session: RlsSession, digest: bytes, request_digest: bytes, answer: bytes) -> None:
    """Store an answer with what the session has written: both or neither, and in no more time."""
    await send_with_commit(session, KEEP, digest, request_digest, answer)


async def sweep(session: RlsSession) -> int:
    swept: int = (await (await session.connection()).execute(SWEEP)).scalar_one()
    return swept
