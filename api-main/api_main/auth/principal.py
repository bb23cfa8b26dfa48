"""Who is asking."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from api_main.core.prelude import Identity


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller whose token was verified.

    Attributes:
        subject: the account, `auth.users.id`.
        role: the Postgres role, one of those that the issuer may name.
        session: the session that the token belongs to, where it names one.
        issuer: who vouches for it, the `iss` claim.
        expires_at: seconds since the epoch.
        claims: every claim of the token.
        identity: what Postgres is told.
        scopes: what a personal access token allows; None for a session, which may do everything.
    """

    subject: UUID
    role: str
    session: UUID | None
    issuer: str
    expires_at: int
    claims: Mapping[str, Any] = field(repr=False)
    identity: Identity = field(repr=False)
    scopes: frozenset[str] | None = None


def claims_for_postgres(claims: Mapping[str, Any]) -> str:
    """The claims as JSON that `jsonb` accepts.

    Raises:
        ValueError: they hold what Postgres cannot store: NUL, half a surrogate pair, NaN.
    """
    text = json.dumps(claims, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    text.encode()  # half a surrogate pair is a UnicodeEncodeError, which is a ValueError
    if "\\u0000" in text.replace("\\\\", ""):  # not after a backslash that stands for itself
        raise ValueError("NUL in claims")
    return text
