"""Links that only open where they were asked for (PKCE, RFC 7636): a followed link gives a code, and the code gives a
session to whoever knows the secret whose challenge came with the request.

Rows of `auth.flow_state`, as Supabase Auth keeps them, but for the code: the database holds its SHA-256.
"""

import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlmodel import col, delete, select

from api_main.auth.errors import CodeVerifierWrong, FlowExpired, FlowNotFound
from api_main.auth.models import FlowState
from api_main.auth.sessions import Method
from api_main.core.database import RlsSession

PREFIX = "pkce_"
"""How the token of such a link begins: whoever follows it can be told in the right way what is wrong with it."""

CODE_LIFETIME = timedelta(minutes=5)


class ChallengeMethod(StrEnum):
    """How a challenge is made out of its secret. `plain` is what clients without cryptography fall back to."""

    S256 = "s256"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a client asks for a link with; it keeps the secret."""

    text: str
    method: ChallengeMethod

    def is_met_by(self, verifier: str) -> bool:
        secret = verifier.encode("utf-8", "surrogatepass")
        if self.method is ChallengeMethod.S256:
            secret = urlsafe_b64encode(sha256(secret).digest()).rstrip(b"=")
        return hmac.compare_digest(secret, self.text.encode())


async def begin(session: RlsSession, user_id: UUID, method: Method, challenge: Challenge) -> None:
    """Keep the challenge of a link that is about to be mailed; the one before it is void, as is its link."""
    await session.exec(delete(FlowState).where(_of(user_id), col(FlowState.authentication_method) == method))
    flow = FlowState(user_id=user_id, provider_type=method, authentication_method=method)
    flow.code_challenge, flow.code_challenge_method = challenge.text, challenge.method
    session.add(flow)


async def issue_code(session: RlsSession, user_id: UUID, methods: Collection[Method]) -> str:
    """The code for a link that was followed.

    Raises:
        FlowNotFound: no challenge came with the request.
    """
    wanted = select(FlowState).where(_of(user_id), col(FlowState.authentication_method).in_(methods))
    flow = (await session.exec(wanted.order_by(col(FlowState.created_at).desc()).limit(1))).first()
    if flow is None:
        raise FlowNotFound
    code = secrets.token_urlsafe(32)
    flow.auth_code, flow.auth_code_issued_at = _stored(code), datetime.now(UTC)
    return code


async def owner(session: RlsSession, code: str) -> UUID | None:
    """Whose link a code came from. Lock the account before anything is done with it."""
    return (await session.exec(select(FlowState.user_id).where(_has(code)))).first()


async def redeem(session: RlsSession, code: str, verifier: str) -> FlowState:
    """Use a code up. A wrong secret leaves it as it is: it cannot be guessed.

    Raises:
        FlowNotFound: unknown or used.
        FlowExpired, CodeVerifierWrong
    """
    flow = (await session.exec(select(FlowState).where(_has(code)).with_for_update())).one_or_none()
    if flow is None or flow.auth_code_issued_at is None:
        raise FlowNotFound
    if datetime.now(UTC) - flow.auth_code_issued_at > CODE_LIFETIME:
        raise FlowExpired
    challenge = Challenge(flow.code_challenge or "", ChallengeMethod(flow.code_challenge_method or ""))
    if not challenge.is_met_by(verifier):
        raise CodeVerifierWrong
    await session.delete(flow)
    return flow


async def void(session: RlsSession, user_id: UUID) -> None:
    """Take back every code of an account, and every challenge."""
    await session.exec(delete(FlowState).where(_of(user_id)))


def _of(user_id: UUID) -> ColumnElement[bool]:
    return col(FlowState.user_id) == user_id


def _has(code: str) -> ColumnElement[bool]:
    return col(FlowState.auth_code) == _stored(code)


def _stored(code: str) -> str:
    return sha256(code.encode("utf-8", "surrogatepass")).hexdigest()
