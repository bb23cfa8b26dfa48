"""API keys: `sb_publishable_…` says which project a browser means, `sb_secret_…` opens the administration.

Only SHA-256 digests are configured; a key is 128 random bits, so a digest gives nothing away. Keys are no tokens:
they are never a user (https://supabase.com/docs/guides/api/api-keys).
"""

import secrets
from collections.abc import Iterable
from enum import StrEnum
from hashlib import sha256

from jwt import InvalidTokenError, decode


class KeyKind(StrEnum):
    PUBLISHABLE = "publishable"
    SECRET = "secret"  # noqa: S105 - the name of a kind


LEGACY_ROLES = {"anon": KeyKind.PUBLISHABLE, "service_role": KeyKind.SECRET}


class ApiKeys:
    """Tells what a key is. The legacy keys are HS256 tokens of the old secret; some of them never expire."""

    def __init__(self, publishable: Iterable[str], secret: Iterable[str], legacy_secret: str | None = None) -> None:
        self._kinds = dict.fromkeys(publishable, KeyKind.PUBLISHABLE) | dict.fromkeys(secret, KeyKind.SECRET)
        self._legacy_secret = legacy_secret

    def kind(self, key: str) -> KeyKind | None:
        """The kind of a key; None if it is none of ours."""
        return self._kinds.get(digest(key)) or self._legacy_kind(key)

    def _legacy_kind(self, key: str) -> KeyKind | None:
        if self._legacy_secret is None or not key.startswith("eyJ"):
            return None
        try:
            claims = decode(key, self._legacy_secret, algorithms=["HS256"], options={"verify_aud": False})
        except (InvalidTokenError, ValueError, TypeError, ArithmeticError, RecursionError):
            return None
        role = claims.get("role")
        return LEGACY_ROLES.get(role) if isinstance(role, str) and "sub" not in claims else None


def generate(kind: KeyKind) -> str:
    return f"sb_{kind}_{secrets.token_urlsafe(24)}"


def digest(key: str) -> str:
    """What is configured in place of the key."""
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
