"""A token opens the one request that it was made for, for a minute, and nothing else does."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, Literal

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jwt import PyJWK

from service_wire.service_token import (
    AUDIENCE,
    LEEWAY,
    LIFETIME,
    ServiceTokenIssuer,
    ServiceTokenRefused,
    ServiceTokenVerifier,
    generate_key,
    parse_key,
    public_keys,
    subject_of,
)
from tests.service_wire.arrays import UNHURRIED

KEY = generate_key()
VERIFIER = ServiceTokenVerifier(public_keys(KEY))
SUBJECT = "POST /v2/models/text-embedding/infer"


def forged(key: dict[str, Any] = KEY, crit: list[str] | None = None, **changes: Any) -> str:
    """A token signed with a key, some claims changed; a change to None leaves a claim out."""
    now = int(time.time())
    claims = {"aud": AUDIENCE, "sub": SUBJECT, "jti": "j", "iat": now, "exp": now + LIFETIME, **changes}
    claims = {name: value for name, value in claims.items() if value is not None}
    header = {name: value for name, value in {"kid": key["kid"], "crit": crit}.items() if value is not None}
    return jwt.encode(claims, PyJWK(key).key, key["alg"], headers=header)


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256"])
def test_the_other_side_accepts_what_was_issued(algorithm: Literal["EdDSA", "ES256"]) -> None:
    key = generate_key(algorithm)
    token = ServiceTokenIssuer(key).issue(SUBJECT)
    ServiceTokenVerifier(public_keys(key, KEY)).verify(token, SUBJECT)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 60
    assert jwt.get_unverified_header(token) == {"typ": "JWT", "alg": algorithm, "kid": key["kid"]}


def test_no_two_tokens_are_the_same() -> None:
    issuer = ServiceTokenIssuer(KEY)
    assert issuer.issue(SUBJECT) != issuer.issue(SUBJECT)


def unsigned(key: str | None, algorithm: str) -> str:
    claims = {"aud": AUDIENCE, "sub": SUBJECT}
    return jwt.encode(claims, key, algorithm, headers={"kid": KEY["kid"]})  # type: ignore[arg-type]


def at(seconds: int) -> int:
    return int(time.time()) + seconds


# Made when they are tried: they should be refused for what is wrong with them, and not for their age.
REFUSED: dict[str, tuple[Callable[[], str], str]] = {
    "another path": (lambda: forged(sub="POST /v2/models/another/infer"), "InvalidSubjectError"),
    "another method": (lambda: forged(sub="GET /v2/models/text-embedding/infer"), "InvalidSubjectError"),
    "another audience": (lambda: forged(aud="api-main"), "InvalidAudienceError"),
    "one audience among others": (lambda: forged(aud=[AUDIENCE, "api-main"]), "InvalidAudienceError"),
    "expired": (lambda: forged(iat=at(-120), exp=at(-60)), "ExpiredSignatureError"),
    "of tomorrow": (lambda: forged(iat=at(86400), exp=at(86460)), "ImmatureSignatureError"),
    "of an hour": (lambda: forged(exp=at(3600)), "it lives for 3600 seconds"),
    "ends before it begins": (lambda: forged(iat=at(5), exp=at(4)), "it lives for -1 seconds"),
    "not yet": (lambda: forged(nbf=at(3600)), "ImmatureSignatureError"),
    "exp is text": (lambda: forged(exp="soon"), "DecodeError"),
    "exp is infinite": (lambda: forged(exp=float("inf")), "DecodeError"),
    "by a stranger": (lambda: forged(generate_key()), "KeyError"),
    "by a stranger in our name": (lambda: forged({**generate_key(), "kid": KEY["kid"]}), "InvalidSignatureError"),
    "another algorithm": (lambda: forged({**generate_key("ES256"), "kid": KEY["kid"]}), "InvalidAlgorithmError"),
    "no kid": (lambda: forged({**KEY, "kid": None}), "KeyError"),
    "critical extension": (lambda: forged(crit=["unheard-of"]), "Unsupported critical extension"),
    "not signed": (lambda: unsigned(None, "none"), "InvalidAlgorithmError"),
    "a public key as a secret": (lambda: unsigned(KEY["x"], "HS256"), "InvalidAlgorithmError"),
    "nothing": (lambda: "", "DecodeError"),
    "no token": (lambda: "a.b.c", "DecodeError"),
    "without aud": (lambda: forged(aud=None), "MissingRequiredClaimError"),
    "without sub": (lambda: forged(sub=None), "MissingRequiredClaimError"),
    "without jti": (lambda: forged(jti=None), "MissingRequiredClaimError"),
    "without iat": (lambda: forged(iat=None), "MissingRequiredClaimError"),
    "without exp": (lambda: forged(exp=None), "MissingRequiredClaimError"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.filterwarnings("ignore:The HMAC key is")
def test_anything_else_is_refused(case: str) -> None:
    make, reason = REFUSED[case]
    with pytest.raises(ServiceTokenRefused, match=reason):
        VERIFIER.verify(make(), SUBJECT)


def test_clocks_may_differ_a_little() -> None:
    VERIFIER.verify(forged(iat=at(LEEWAY // 2), exp=at(LEEWAY // 2 + LIFETIME)), SUBJECT)


@UNHURRIED
@given(st.text(max_size=60) | st.from_regex(r"[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}"))
def test_any_text_is_refused_and_breaks_nothing(token: str) -> None:
    with pytest.raises(ServiceTokenRefused):
        VERIFIER.verify(token, SUBJECT)


def test_the_subject_is_the_request_line_without_its_query() -> None:
    assert subject_of("post", "/v2/models/a%20b/infer?x=1") == "POST /v2/models/a%20b/infer"


PUBLIC = public_keys(KEY)["keys"][0]


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"keys": []},
        {"keys": "k"},
        {"keys": ["k"]},
        {"keys": [KEY]},
        {"keys": [PUBLIC, PUBLIC]},
        {"keys": [{**PUBLIC, "kid": ""}]},
        {"keys": [{**PUBLIC, "alg": "HS256"}]},
        {"keys": [{**PUBLIC, "crv": "Ed448"}]},
        {"keys": [{**PUBLIC, "x": "AAAA"}]},
        {"keys": [{**PUBLIC, "x": 1}]},
        {"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "1"}]},
    ],
    ids=[
        "nothing", "none", "text", "a text", "private", "twice", "no name", "for HMAC", "another curve",
        "short", "a number", "a secret",
    ],
)  # fmt: skip
def test_a_verifier_takes_public_keys_of_the_two_kinds_only(keys: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="key"):
        ServiceTokenVerifier(keys)


@pytest.mark.parametrize("key", [PUBLIC, {**KEY, "d": "AA"}, {**KEY, "kid": None}], ids=["public", "broken", "unnamed"])
def test_an_issuer_takes_a_private_key_only(key: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="key") as refused:
        ServiceTokenIssuer(key)
    assert KEY["d"] not in str(refused.value)


@pytest.mark.parametrize(
    "document", ["", "[]", '"key"', "{", "[" * 100_000], ids=["empty", "list", "text", "cut", "deep"]
)
def test_a_setting_that_is_no_object_is_refused_without_repeating_it(document: str) -> None:
    with pytest.raises(ValueError, match=r"^a JWK or a JWK set must be a JSON object$"):
        parse_key(document)


def test_a_setting_may_be_a_key_or_a_set() -> None:
    assert parse_key(json.dumps(KEY)) == KEY


def test_it_brings_no_numpy_along() -> None:
    program = "import sys, service_wire.service_token; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
