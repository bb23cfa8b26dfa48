"""Service tokens: JWTs (RFC 7519) by which api-gpu knows api-main. Each is good for one request, for a minute.

`sub` is the request itself, its method and path, so a token that leaks opens nothing else. Imports no NumPy: the
process that waits for a first request should weigh little.
"""

import json
import time
from collections.abc import Mapping
from secrets import token_urlsafe
from typing import Any, Literal

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from jwt import PyJWK
from jwt.algorithms import ECAlgorithm, OKPAlgorithm

AUDIENCE = "api-gpu"
LIFETIME = 60
"""Seconds."""
LEEWAY = 10
"""Seconds that two machines' clocks may differ."""
DEADLINE_HEADER = "X-Request-Deadline-Ms"
"""Milliseconds that the caller will still wait, counted from the arrival of the request."""

CURVES = {("OKP", "Ed25519"): "EdDSA", ("EC", "P-256"): "ES256"}
PUBLIC_MEMBERS = ("kty", "crv", "x", "y", "kid", "alg")
CLAIMS = ["aud", "sub", "jti", "iat", "exp"]

Jwk = dict[str, Any]


class ServiceTokenRefused(Exception):
    """A token that does not open this request. The text is for our log and never for the caller."""


def subject_of(method: str, target: str) -> str:
    """The subject of a request's token: method and path as on the request line, percent-encoding and all, no query."""
    return f"{method.upper()} {target.partition('?')[0]}"


class ServiceTokenIssuer:
    """Makes tokens.

    Args:
        private_key: a JWK (RFC 7517), Ed25519 or P-256, with a `kid`.

    Raises:
        ValueError: it is no such key.
    """

    def __init__(self, private_key: Mapping[str, Any]) -> None:
        self._key = _key(private_key)
        if "d" not in private_key:
            raise ValueError("a key that signs must be private")

    def issue(self, subject: str) -> str:
        """A token for the request of this subject (`subject_of`)."""
        now = int(time.time())
        claims = {"aud": AUDIENCE, "sub": subject, "jti": token_urlsafe(12), "iat": now, "exp": now + LIFETIME}
        return jwt.encode(claims, self._key.key, self._key.algorithm_name, headers={"kid": self._key.key_id})


class ServiceTokenVerifier:
    """Checks tokens.

    Args:
        keys: a JWK set of public keys, each with a `kid` of its own. Several, while keys are changed.

    Raises:
        ValueError: it is none, or holds a private key, which has no business here.
    """

    def __init__(self, keys: Mapping[str, Any]) -> None:
        entries = keys.get("keys")
        if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
            raise ValueError("not a JWK set with at least one key")
        if any("d" in entry for entry in entries):
            raise ValueError("a JWK set for verification holds public keys only")
        self._keys = {entry["kid"]: _key(entry) for entry in entries if _has_name(entry)}
        if len(self._keys) != len(entries):
            raise ValueError("two keys have the same kid")

    def verify(self, token: str, subject: str) -> None:
        """Accept a token for the request of this subject, or raise.

        Raises:
            ServiceTokenRefused: anything about it is not as it must be.
        """
        try:
            key = self._keys[jwt.get_unverified_header(token)["kid"]]
            claims = jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm_name],
                audience=AUDIENCE,
                leeway=LEEWAY,
                subject=subject,
                options={"require": CLAIMS, "strict_aud": True},
            )
            lifetime = int(claims["exp"]) - int(claims["iat"])
        except (jwt.PyJWTError, LookupError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise ServiceTokenRefused(f"{type(error).__name__}: {error}") from None
        if not 0 < lifetime <= LIFETIME:
            raise ServiceTokenRefused(f"it lives for {lifetime} seconds")


def generate_key(algorithm: Literal["EdDSA", "ES256"] = "EdDSA") -> Jwk:
    """A new private JWK with a `kid`."""
    if algorithm == "EdDSA":
        private = OKPAlgorithm.to_jwk(ed25519.Ed25519PrivateKey.generate(), as_dict=True)
    else:
        private = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True)
    return {"kid": token_urlsafe(8), "alg": algorithm, **private}


def public_keys(*private: Mapping[str, Any]) -> Jwk:
    """The JWK set of public keys that goes to the verifier."""
    return {"keys": [{name: key[name] for name in PUBLIC_MEMBERS if name in key} for key in private]}


def parse_key(document: str) -> Jwk:
    """A JWK or JWK set out of a setting.

    Raises:
        ValueError: it is no JSON object. The text does not repeat it: it may be secret.
    """
    try:
        parsed = json.loads(document)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        raise ValueError("a JWK or a JWK set must be a JSON object")  # noqa: TRY004 - a setting, not an argument
    return parsed


def _has_name(entry: Mapping[str, Any]) -> bool:
    if isinstance(entry.get("kid"), str) and entry["kid"]:
        return True
    raise ValueError("a key must have a kid")


def _key(entry: Mapping[str, Any]) -> PyJWK:
    algorithm = CURVES.get((entry.get("kty", ""), entry.get("crv", "")))
    if algorithm is None or entry.get("alg", algorithm) != algorithm:
        raise ValueError("a key must be for EdDSA on Ed25519 or for ES256 on P-256")
    _has_name(entry)
    try:
        return PyJWK.from_dict(dict(entry), algorithm)
    except (jwt.PyJWTError, TypeError, ValueError):
        raise ValueError("a key is not a well-formed JWK") from None  # the cause would carry it along
