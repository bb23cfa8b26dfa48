"""A new key to sign our own access tokens with."""

import uuid
from typing import cast

from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

SigningKey = dict[str, str | list[str] | bool]


def generate_signing_key() -> SigningKey:
    """Return a private ES256 key as a JWK (RFC 7517), in the form of `supabase gen signing-key`.

    It is a secret. A list of such keys, as JSON, is what `JWT_SIGNING_KEYS` takes.
    """
    numbers = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True)
    return {
        "kty": "EC",
        "kid": str(uuid.uuid4()),
        "use": "sig",
        "key_ops": ["sign", "verify"],
        "alg": "ES256",
        "ext": True,
        **{name: cast("str", numbers[name]) for name in ("crv", "x", "y", "d")},
    }
