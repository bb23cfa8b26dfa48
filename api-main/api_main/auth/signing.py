"""Our own keys: a JWK set in Supabase's format, one key of which signs.

Rotation (https://supabase.com/docs/guides/auth/signing-keys): a key is on standby, in use, previously used, then
gone. All but the one in use carry `"key_ops": ["verify"]`; every key in the set is published and accepted.
"""

import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jwt import PyJWK

from api_main.auth.keys import THUMBPRINT_MEMBERS, VerificationKey, algorithm_of

PUBLIC_MEMBERS = ("kid", "alg", "use")


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """The key in use, and all that verify.

    Attributes:
        active: the private key that signs.
        verification: every key, public part only.
        jwks: the document for `/.well-known/jwks.json` (RFC 7517): public members, never a secret.
    """

    active: PyJWK
    verification: tuple[VerificationKey, ...]
    jwks: Mapping[str, Any]

    @classmethod
    def parse(cls, document: str) -> Self:
        """Read one JWK, a list of JWKs or a JWK set.

        Raises:
            ValueError: it is none of these, or not exactly one key signs.
        """
        entries = _entries(document)
        algorithms = [_checked_algorithm(entry) for entry in entries]
        signing = [entry for entry in entries if "d" in entry and "sign" in entry.get("key_ops", ["sign"])]
        if len(signing) != 1:
            raise ValueError(f'exactly one signing key must have key_ops with "sign", not {len(signing)}')
        return cls(
            active=_private_key(signing[0]),
            verification=tuple(map(VerificationKey.from_jwk, entries, algorithms)),
            jwks={"keys": [_public_entry(entry, name) for entry, name in zip(entries, algorithms, strict=True)]},
        )

    def derive(self, purpose: str) -> bytes:
        """A secret of 32 bytes for another purpose, out of the key in use; it changes when the keys rotate."""
        private = self.active.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return hmac.digest(private, purpose.encode(), "sha256")

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A compact JWS (RFC 7515) that names the key in use."""
        return jwt.encode(
            dict(claims), self.active.key, self.active.algorithm_name, headers={"kid": self.active.key_id}
        )


def _entries(document: str) -> list[dict[str, Any]]:
    try:
        parsed = json.loads(document)
    except ValueError:
        raise ValueError("signing keys are not valid JSON") from None  # the cause would carry the document along
    if isinstance(parsed, dict):
        parsed = parsed.get("keys", [parsed])
    if not isinstance(parsed, list) or not all(isinstance(entry, dict) for entry in parsed):
        raise ValueError("signing keys must be a JWK, a list of JWKs or a JWK set")
    return parsed


def _checked_algorithm(entry: Mapping[str, Any]) -> str:
    algorithm = algorithm_of(entry)
    kid, operations = entry.get("kid"), entry.get("key_ops", [])
    if algorithm is None or not isinstance(kid, str) or not kid or not isinstance(operations, list):
        raise ValueError("each signing key must be an ES256 or RS256 key with a kid; key_ops, if there, is a list")
    return algorithm


def _private_key(entry: Mapping[str, Any]) -> PyJWK:
    try:
        return PyJWK.from_dict(dict(entry))
    except (jwt.PyJWTError, ValueError, TypeError):
        raise ValueError("the key that signs is not a well-formed private key") from None


def _public_entry(entry: Mapping[str, Any], algorithm: str) -> dict[str, Any]:
    names: Iterable[str] = (*THUMBPRINT_MEMBERS[entry["kty"]], *PUBLIC_MEMBERS)
    public = {name: entry[name] for name in names if name in entry}
    return {**public, "alg": algorithm, "use": "sig", "key_ops": ["verify"]}
