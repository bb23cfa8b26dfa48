"""Refresh tokens of Supabase Auth's second version: nothing to store, nothing to steal.

A token is base64url of: version (one byte, 0), session id (16 bytes), counter (unsigned varint), the first 16
bytes of an HMAC-SHA-256 of all that under the session's own key, and the first 4 bytes of a SHA-256 of all that
against typing errors (supabase/auth, `internal/crypto/refresh_tokens.go`).
"""

import hmac
import secrets
from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import Self
from uuid import UUID

VERSION = b"\x00"
BYTES_BEFORE_COUNTER = 17
SIGNATURE_BYTES = 16
CHECKSUM_BYTES = 4
MAX_LENGTH = 100
MAX_COUNTER_BYTES = 9  # as much as a bigint holds


class MalformedRefreshToken(ValueError):
    """It was never one of ours, or was mistyped."""


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """What a refresh token says. Believe it only once `is_signed_with` is true."""

    session: UUID
    counter: int
    signature: bytes

    @classmethod
    def issue(cls, session: UUID, counter: int, key: str) -> str:
        """The token of a session at a count, as text."""
        body = VERSION + session.bytes + _varint(counter)
        signed = body + _sign(body, key)
        return _encode(signed + _checksum(signed))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a token.

        Raises:
            MalformedRefreshToken: it has another form, or its checksum is wrong.
        """
        raw = _decode(text)
        signed, checksum = raw[:-CHECKSUM_BYTES], raw[-CHECKSUM_BYTES:]
        body, signature = signed[:-SIGNATURE_BYTES], signed[-SIGNATURE_BYTES:]
        if body[:1] != VERSION or len(body) <= BYTES_BEFORE_COUNTER or checksum != _checksum(signed):
            raise MalformedRefreshToken
        session, counter = body[1:BYTES_BEFORE_COUNTER], body[BYTES_BEFORE_COUNTER:]
        return cls(UUID(bytes=session), _read_varint(counter), signature)

    def is_signed_with(self, key: str) -> bool:
        body = VERSION + self.session.bytes + _varint(self.counter)
        return hmac.compare_digest(self.signature, _sign(body, key))


def new_key() -> str:
    """A key for a new session: 32 random bytes, in base64."""
    return b64encode(secrets.token_bytes(32)).decode()


def _sign(body: bytes, key: str) -> bytes:
    return hmac.digest(b64decode(key), body, "sha256")[:SIGNATURE_BYTES]


def _checksum(signed: bytes) -> bytes:
    return sha256(signed).digest()[:CHECKSUM_BYTES]


def _encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)) if len(text) <= MAX_LENGTH else b""
    except ValueError:
        raise MalformedRefreshToken from None
    if _encode(raw) != text:  # Python passes over characters that are not base64
        raise MalformedRefreshToken
    return raw


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _read_varint(encoded: bytes) -> int:
    number = sum((byte & 0x7F) << (7 * place) for place, byte in enumerate(encoded))
    if len(encoded) > MAX_COUNTER_BYTES or _varint(number) != encoded:
        raise MalformedRefreshToken
    return number
