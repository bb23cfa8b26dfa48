"""Our own key set: rotation, what is published of it, and what is no key set at all."""

import json
import traceback
from typing import Any

import httpx
import pytest

from api_main.auth.generate import generate_signing_key
from api_main.auth.issuers import USER_ROLES, Issuer
from api_main.auth.keys import FixedKeys
from api_main.auth.signing import SigningKeys
from api_main.auth.verifier import TokenVerifier
from tests.auth.forge import Jwk, claims_from, new_key, public, signed

ISSUER = "https://ours.test"
STANDBY = {**new_key("ES256", "standby"), "key_ops": ["verify"]}
IN_USE = new_key("ES256", "in use")
RETIRED = new_key("RS256", "retired")
PREVIOUS = public(RETIRED)
SECRET_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


def verifier_for(keys: SigningKeys) -> TokenVerifier:
    fixed = FixedKeys(keys.verification)
    return TokenVerifier([Issuer(ISSUER, "authenticated", USER_ROLES, dict.fromkeys(("ES256", "RS256"), fixed))])


def key_set(*entries: Jwk) -> SigningKeys:
    return SigningKeys.parse(json.dumps({"keys": entries}))


async def test_in_rotation_one_key_signs_and_all_verify() -> None:
    keys = key_set(STANDBY, IN_USE, PREVIOUS)
    assert keys.active.key_id == "in use"
    verifier = verifier_for(keys)
    for jwk in (STANDBY, IN_USE, RETIRED):
        await verifier.verify(signed(jwk, claims_from(ISSUER)))
    await verifier.verify(keys.sign(claims_from(ISSUER)))


def test_all_keys_are_published_without_their_secrets() -> None:
    published = key_set(STANDBY, IN_USE, PREVIOUS).jwks["keys"]
    assert [entry["kid"] for entry in published] == ["standby", "in use", "retired"]
    for entry in published:
        assert entry.keys().isdisjoint(SECRET_MEMBERS)
        assert entry["use"] == "sig"
        assert entry["key_ops"] == ["verify"]
    assert [entry["alg"] for entry in published] == ["ES256", "ES256", "RS256"]


async def test_an_rs256_key_may_be_in_use() -> None:
    keys = SigningKeys.parse(json.dumps(RETIRED))
    principal = await verifier_for(keys).verify(keys.sign(claims_from(ISSUER)))
    assert principal.issuer == ISSUER


@pytest.mark.parametrize("form", [lambda key: key, lambda key: [key], lambda key: {"keys": [key]}])
def test_a_key_a_list_and_a_set_mean_the_same(form: Any) -> None:
    assert SigningKeys.parse(json.dumps(form(IN_USE))).active.key_id == "in use"


def test_a_key_without_key_ops_signs() -> None:
    bare = {name: value for name, value in IN_USE.items() if name not in {"key_ops", "alg"}}
    keys = SigningKeys.parse(json.dumps(bare))
    assert keys.active.key_id == "in use"
    assert keys.jwks["keys"][0]["alg"] == "ES256"


ONE = "exactly one signing key"
FORM = "must be an ES256 or RS256 key with a kid"
REFUSED: dict[str, tuple[Any, str]] = {
    "no JSON": ("{", "not valid JSON"),
    "nothing": ("", "not valid JSON"),
    "text": ('"key"', "a JWK, a list of JWKs or a JWK set"),
    "a number": ("7", "a JWK, a list of JWKs or a JWK set"),
    "a list of text": ('["key"]', "a JWK, a list of JWKs or a JWK set"),
    "keys that are no list": ('{"keys": 7}', "a JWK, a list of JWKs or a JWK set"),
    "no keys": ([], f"{ONE}.*not 0"),
    "two that sign": ([IN_USE, new_key("ES256")], f"{ONE}.*not 2"),
    "none that signs": ([STANDBY], f"{ONE}.*not 0"),
    "public alone": ([public(IN_USE)], f"{ONE}.*not 0"),
    "no kid": ({**IN_USE, "kid": None}, FORM),
    "empty kid": ({**IN_USE, "kid": ""}, FORM),
    "kid that is a number": ({**IN_USE, "kid": 7}, FORM),
    "operations that are no list": ({**IN_USE, "key_ops": None}, FORM),
    "a shared secret": ({"kty": "oct", "k": "c2VjcmV0", "kid": "a", "alg": "HS256"}, FORM),
    "another curve": ({**IN_USE, "crv": "P-384"}, FORM),
    "another algorithm": ({**IN_USE, "alg": "RS256"}, FORM),
    "no kind": ({**IN_USE, "kty": None}, FORM),
    "half a key": ({**IN_USE, "x": None}, "well-formed"),
    "a broken secret": ({**IN_USE, "d": "AAAA"}, "well-formed"),
    "a secret of another kind": ({**IN_USE, "d": 7}, "well-formed"),
    "the secret of another": ({**IN_USE, "d": STANDBY["d"]}, "well-formed"),
    "a broken public key": ([IN_USE, {**PREVIOUS, "n": 7}], "."),
}


@pytest.mark.parametrize(("document", "message"), REFUSED.values(), ids=REFUSED)
def test_anything_else_is_refused_in_one_sentence_without_the_secret(document: Any, message: str) -> None:
    text = document if isinstance(document, str) else json.dumps(document)
    with pytest.raises(ValueError, match=message) as refused:
        SigningKeys.parse(text)
    assert "\n" not in str(refused.value)
    printed = "".join(traceback.format_exception(refused.value))
    assert IN_USE["d"] not in printed
    assert STANDBY["d"] not in printed


def test_a_generated_key_signs_and_is_new_each_time() -> None:
    keys = [generate_signing_key() for _ in range(3)]
    assert len({key["kid"] for key in keys} | {key["d"] for key in keys}) == 6
    for key in keys:
        assert SigningKeys.parse(json.dumps([key])).active.algorithm_name == "ES256"


async def test_our_public_keys_are_published(client: httpx.AsyncClient, signing_key: Jwk) -> None:
    response = await client.get("/auth/v1/.well-known/jwks.json")
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "public, max-age=600"
    [entry] = response.json()["keys"]
    assert entry == {**public(signing_key), "use": "sig"}
    assert signing_key["d"] not in response.text
