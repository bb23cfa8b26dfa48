"""Bytes that nobody thought of: whatever is sent as a token, the answer is a 401."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from api_main.auth.keys import parse_public_keys
from api_main.core.settings import Settings
from tests.auth.calls import TASKS, bearer
from tests.auth.forge import Jwk, compact, new_key, public, signed
from tests.people import Person, claims

HEADER_NAMES = ["alg", "kid", "typ", "cty", "crit", "b64", "jwk", "jku", "x5u", "x5c", "x5t", "zip", "enc", "iss"]
CLAIM_NAMES = ["iss", "sub", "aud", "exp", "iat", "nbf", "jti", "role", "session_id", "aal", "amr", "user_metadata"]
TEXT = st.text(st.characters(), max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.sampled_from(["ES256", "authenticated"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
WITH_FIXTURES = settings(
    max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture
def good(settings: Settings, ada: Person) -> dict[str, Any]:
    return claims(settings, ada.id, ada.session)


async def assert_unauthorized(client: httpx.AsyncClient, token: str) -> None:
    headers = {b"Authorization": b"Bearer " + token.encode("utf-8", "surrogatepass")}
    response = await client.get(TASKS, headers=headers)
    assert response.status_code == 401, response.text
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


@WITH_FIXTURES
@given(text=st.text(st.characters(blacklist_characters="\r\n"), min_size=1, max_size=200))
async def test_any_text_is_refused(client: httpx.AsyncClient, text: str) -> None:
    await assert_unauthorized(client, text)


@WITH_FIXTURES
@given(header=st.binary(max_size=60), payload=st.binary(max_size=60), signature=st.binary(max_size=80))
async def test_any_bytes_in_the_form_of_a_token_are_refused(
    client: httpx.AsyncClient, header: bytes, payload: bytes, signature: bytes
) -> None:
    await assert_unauthorized(client, compact(header, payload, lambda _: signature))


@WITH_FIXTURES
@given(changes=st.dictionaries(st.sampled_from(HEADER_NAMES), JSON, min_size=1, max_size=3))
async def test_any_header_with_our_signature_is_refused_or_harmless(
    client: httpx.AsyncClient, good: dict[str, Any], signing_key: Jwk, changes: dict[str, Any]
) -> None:
    response = await client.get(TASKS, headers=bearer(signed(signing_key, good, **changes)))
    assert response.status_code in {200, 401}, response.text
    different = {name for name, value in changes.items() if value != signing_key.get(name)}
    assert response.status_code == 401 or different.isdisjoint(
        {"alg", "kid", "crit", "jwk", "jku", "x5u", "x5c", "b64"}
    )


@WITH_FIXTURES
@given(changes=st.dictionaries(st.sampled_from(CLAIM_NAMES), JSON, min_size=1, max_size=4))
async def test_any_claims_with_our_signature_are_refused_or_harmless(
    client: httpx.AsyncClient, good: dict[str, Any], signing_key: Jwk, changes: dict[str, Any]
) -> None:
    response = await client.get(TASKS, headers=bearer(signed(signing_key, {**good, **changes})))
    assert response.status_code in {200, 401}, response.text
    assert response.status_code == 401 or {"iss", "sub"}.isdisjoint(changes)


@WITH_FIXTURES
@given(place=st.integers(0, 10_000), byte=st.integers(0x21, 0xFF))
async def test_one_changed_byte_spoils_a_good_token(
    client: httpx.AsyncClient, ada: Person, place: int, byte: int
) -> None:
    token = bytearray(ada.token.encode())
    place %= len(token)
    assume(token[place] != byte)
    token[place] = byte
    response = await client.get(TASKS, headers={b"Authorization": b"Bearer " + bytes(token)})
    assert response.status_code == 401, response.text


@given(document=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_document_is_a_key_set_or_a_value_error(document: bytes) -> None:
    try:
        parse_public_keys(document)
    except ValueError:
        return
    assert isinstance(json.loads(document)["keys"], list)


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
def test_any_change_to_a_published_key_leaves_a_key_or_none(algorithm: str) -> None:
    good = public(new_key(algorithm))

    @given(changes=st.dictionaries(st.sampled_from([*good]), JSON, max_size=3))
    def check(changes: dict[str, Any]) -> None:
        keys = parse_public_keys(json.dumps({"keys": [{**good, **changes}, good]}).encode())
        assert len(keys) in {1, 2}

    check()
