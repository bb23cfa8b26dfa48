"""Tokens made by hand: wrong in any way one likes, and signed all the same."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, cast
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt import PyJWK
from jwt.algorithms import ECAlgorithm, HMACAlgorithm, RSAAlgorithm
from jwt.utils import base64url_encode

from api_main.auth.signing import SigningKeys

Jwk = dict[str, Any]
Sign = Callable[[bytes], bytes]


def segment(part: Any) -> str:
    """One part of a compact JWS: bytes as they are, anything else as JSON."""
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64url_encode(raw).decode()


def compact(header: Any, payload: Any, sign: Sign) -> str:
    """A compact JWS (RFC 7515, section 7.1) of any header and payload."""
    signing_input = f"{segment(header)}.{segment(payload)}"
    return f"{signing_input}.{segment(sign(signing_input.encode()))}"


def signer(jwk: Mapping[str, Any]) -> Sign:
    key = PyJWK.from_dict(dict(jwk))
    return lambda message: key.Algorithm.sign(message, key.key)


def hmac_with(secret: bytes) -> Sign:
    return lambda message: HMACAlgorithm(HMACAlgorithm.SHA256).sign(message, secret)


def signed(jwk: Mapping[str, Any], payload: Any, /, **header: Any) -> str:
    """A token signed with a private JWK, under a header that may say something else."""
    return compact({"typ": "JWT", "alg": jwk["alg"], "kid": jwk["kid"], **header}, payload, signer(jwk))


def claims_from(issuer: str, **changes: Any) -> dict[str, Any]:
    """The claims of a good token of an issuer; a change to None leaves the claim out."""
    now = int(time.time())
    good = {
        "iss": issuer,
        "sub": str(uuid4()),
        "aud": "authenticated",
        "exp": now + 600,
        "iat": now,
        "role": "authenticated",
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def new_key(algorithm: str, kid: str = "") -> Jwk:
    """A private JWK for ES256 or RS256."""
    private: Any
    if algorithm == "ES256":
        private = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True)
    else:
        private = RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048), as_dict=True)
    return {**cast("Jwk", private), "alg": algorithm, "kid": kid or str(uuid4()), "key_ops": ["sign", "verify"]}


def public(jwk: Jwk) -> Jwk:
    """The public part of a JWK, as an issuer publishes it."""
    names = ("kty", "kid", "alg", "crv", "x", "y", "n", "e")
    return {name: jwk[name] for name in names if name in jwk} | {"use": "sig", "key_ops": ["verify"]}


def jwks(*keys: Jwk) -> Jwk:
    return {"keys": [public(key) for key in keys]}


def public_forms(jwk: Jwk) -> dict[str, bytes]:
    """A public key in each form that somebody might take for a shared secret."""
    key = SigningKeys.parse(json.dumps(jwk)).active.key.public_key()
    info = PublicFormat.SubjectPublicKeyInfo
    return {
        "pem": key.public_bytes(Encoding.PEM, info),
        "pem without its last newline": key.public_bytes(Encoding.PEM, info).strip(),
        "der": key.public_bytes(Encoding.DER, info),
        "point": key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
        "jwk": json.dumps(public(jwk)).encode(),
        "jwk without spaces": json.dumps(public(jwk), separators=(",", ":")).encode(),
        "nothing": b"",
    }
