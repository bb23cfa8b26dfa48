"""Token to principal: check a JWT against the issuer that it names, once, and remember the outcome.

Follows RFC 8725 (JWT best current practices) and RFC 7519.
"""

import time
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any
from uuid import UUID

import jwt
from cachetools import LRUCache

from api_main.auth.errors import InvalidToken, RoleNotAllowed, SubjectInvalid, TokenExpired
from api_main.auth.issuers import Issuer
from api_main.auth.keys import KeySource, VerificationKey
from api_main.auth.principal import Principal, claims_for_postgres
from api_main.core.prelude import Identity

MAX_TOKEN_LENGTH = 16 * 1024
MAX_KID_LENGTH = 255
LEEWAY_SECONDS = 30
REQUIRED = ["exp", "sub", "iss", "aud", "role"]
DATES = ("exp", "iat", "nbf")  # numbers, if present (RFC 7519, section 2: NumericDate)
# Keys that a token brings along prove nothing, and no critical extension is understood (RFC 7515, section 4.1).
FORBIDDEN_HEADERS = {"jwk", "jku", "x5u", "x5c", "crit", "b64"}
CACHED_TOKENS = 20_000


class TokenVerifier:
    """Verifies tokens of any number of issuers, and keeps what it verified until it expires."""

    def __init__(self, issuers: Iterable[Issuer] = ()) -> None:
        self._issuers: dict[str, Issuer] = {}
        self._cache: LRUCache[bytes, tuple[Principal, KeySource]] = LRUCache(CACHED_TOKENS)
        for issuer in issuers:
            self.trust(issuer)

    def trust(self, issuer: Issuer) -> None:
        """Accept the tokens of one more issuer."""
        self._issuers[issuer.name] = issuer

    def flush(self) -> None:
        """Forget every verified token: a key is gone."""
        self._cache.clear()

    async def verify(self, token: str) -> Principal:
        """The principal of a token.

        Raises:
            InvalidToken: it is malformed, forged, of an unknown issuer or not for us; or one of its subclasses.
            KeysUnavailable: the issuer's keys cannot be had right now.
        """
        if len(token) > MAX_TOKEN_LENGTH:
            raise InvalidToken
        digest = sha256(token.encode("utf-8", "surrogatepass")).digest()
        known = self._cache.get(digest)
        if known is not None and known[0].expires_at > time.time() and known[1].fresh_until > time.monotonic():
            return known[0]
        principal, keys = await self._verify_anew(token)
        self._cache[digest] = principal, keys
        return principal

    async def _verify_anew(self, token: str) -> tuple[Principal, KeySource]:
        try:
            header, issuer = self._read_unverified(token)
            algorithm = header.get("alg", "")
            keys = issuer.keys.get(algorithm)
            if keys is None:
                raise InvalidToken
            candidates = await keys.find(header.get("kid"), algorithm)
            return _to_principal(_decode(token, candidates, algorithm, issuer), issuer), keys
        except jwt.ExpiredSignatureError:
            raise TokenExpired from None
        except (jwt.PyJWTError, ValueError, TypeError, ArithmeticError, RecursionError):
            # Whatever a library makes of hostile input, it is a bad token and no error of ours.
            raise InvalidToken from None

    def _read_unverified(self, token: str) -> tuple[Mapping[str, Any], Issuer]:
        """What decides which key to try: nothing here is believed yet."""
        header = jwt.get_unverified_header(token)
        if FORBIDDEN_HEADERS & header.keys() or len(header.get("kid") or "") > MAX_KID_LENGTH:
            raise InvalidToken
        claims = jwt.decode(token, options={"verify_signature": False})
        name = claims.get("iss")
        issuer = self._issuers.get(name) if isinstance(name, str) else None
        if issuer is None:
            raise InvalidToken
        return header, issuer


def _decode(token: str, candidates: Iterable[VerificationKey], algorithm: str, issuer: Issuer) -> dict[str, Any]:
    for key in candidates:
        try:
            return jwt.decode(
                token,
                key.jwk,
                algorithms=[algorithm],
                audience=issuer.audience,
                issuer=issuer.name,
                leeway=LEEWAY_SECONDS,
                options={"require": REQUIRED},
            )
        except jwt.InvalidSignatureError:
            continue
    raise InvalidToken


def _to_principal(claims: Mapping[str, Any], issuer: Issuer) -> Principal:
    role = claims["role"]
    if not isinstance(role, str) or role not in issuer.roles:
        raise RoleNotAllowed
    if not all(type(claims.get(name, 0)) in {int, float} for name in DATES):
        raise InvalidToken  # PyJWT takes "1893456000" and true as well
    session = claims.get("session_id")
    return Principal(
        subject=_subject(claims["sub"]),
        role=role,
        session=None if session is None else _canonical_uuid(session),
        issuer=issuer.name,
        expires_at=int(claims["exp"]),
        claims=claims,
        identity=Identity(role, claims_for_postgres(claims)),
    )


def _subject(value: Any) -> UUID:
    try:
        return _canonical_uuid(value)
    except ValueError:
        raise SubjectInvalid from None


def _canonical_uuid(value: Any) -> UUID:
    """A UUID in its one usual form: Python's constructor also takes braces, `urn:uuid:` and more."""
    if not isinstance(value, str) or str(parsed := UUID(value)) != value.lower():
        raise ValueError("not a UUID")
    return parsed
