"""Tokens that somebody made up: each is a 401 with a stable code, and none is an error of ours."""

import json
from typing import Any

import httpx
import pytest

from api_main.core.settings import Settings
from tests.auth.calls import TASKS, assert_refused, bearer
from tests.auth.forge import compact, hmac_with, new_key, public, public_forms, segment, signed, signer
from tests.people import Person, claims

ABSURD_KIDS: dict[str, Any] = {
    "empty": "",
    "10 kB": "k" * 10_000,
    "null": None,
    "number": 7,
    "true": True,
    "list": ["a"],
    "object": {"a": "b"},
    "path": "../../../../dev/null",
    "sql": "' or 1=1; drop table auth.users; --",
    "nul": "\x00",
    "half a surrogate pair": "\ud800",
    "address": "https://evil.example/jwks.json",
}
CRITICAL: dict[str, dict[str, Any]] = {
    "unknown": {"crit": ["exp2"], "exp2": 1},
    "empty": {"crit": []},
    "text": {"crit": "b64"},
    "not in the header": {"crit": ["b64"]},
    "b64": {"crit": ["b64"], "b64": True},
    "b64 off": {"crit": ["b64"], "b64": False},
    "b64 without crit": {"b64": False},
}


@pytest.fixture
def good(settings: Settings, ada: Person) -> dict[str, Any]:
    """The claims of a good token."""
    return claims(settings, ada.id, ada.session)


async def assert_bearer_refused(client: httpx.AsyncClient, token: str) -> None:
    response = await client.get(TASKS, headers=bearer(token))
    assert_refused(response, 401, "invalid_token")
    assert token not in response.json()["error"]["message"]


async def test_a_token_made_by_hand_and_signed_with_our_key_is_good(
    client: httpx.AsyncClient, good: dict[str, Any], signing_key: dict[str, Any]
) -> None:
    """What the other tests change one thing of."""
    assert (await client.get(TASKS, headers=bearer(signed(signing_key, good)))).status_code == 200


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "", "HS256", "HS512", "ES256", "RS256", "PS256"])
async def test_a_token_without_a_signature_is_refused(
    client: httpx.AsyncClient, good: dict[str, Any], signing_key: dict[str, Any], name: str
) -> None:
    header = {"alg": name, "typ": "JWT", "kid": signing_key["kid"]}
    await assert_bearer_refused(client, compact(header, good, lambda _: b""))


@pytest.mark.parametrize("form", public_forms(new_key("ES256")))
@pytest.mark.parametrize("algorithm", ["HS256", "ES256"])
async def test_our_public_key_is_not_a_shared_secret(
    client: httpx.AsyncClient, good: dict[str, Any], signing_key: dict[str, Any], form: str, algorithm: str
) -> None:
    secret = public_forms(signing_key)[form]
    header = {"alg": algorithm, "kid": signing_key["kid"]}
    await assert_bearer_refused(client, compact(header, good, hmac_with(secret)))


@pytest.mark.parametrize(
    "algorithm", ["RS256", "HS256", "ES384", "ES256K", "EdDSA", "es256", None, 5, [], {}, ["ES256"]]
)
async def test_the_algorithm_is_the_keys_and_not_the_headers(
    client: httpx.AsyncClient, good: dict[str, Any], signing_key: dict[str, Any], algorithm: Any
) -> None:
    await assert_bearer_refused(client, signed(signing_key, good, alg=algorithm))


async def test_a_token_that_names_no_algorithm_is_refused(
    client: httpx.AsyncClient, good: dict[str, Any], signing_key: dict[str, Any]
) -> None:
    await assert_bearer_refused(client, compact({"kid": signing_key["kid"]}, good, signer(signing_key)))


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
@pytest.mark.parametrize("names_our_key", [True, False])
async def test_a_strangers_key_signs_nothing(
    client: httpx.AsyncClient, good: dict[str, Any], signing_key: dict[str, Any], algorithm: str, names_our_key: bool
) -> None:
    kid = signing_key["kid"] if names_our_key else "theirs"
    await assert_bearer_refused(client, signed(new_key(algorithm), good, kid=kid))


@pytest.mark.parametrize("member", ["jwk", "jku", "x5u", "x5c"])
@pytest.mark.parametrize("is_signed_by_us", [True, False])
async def test_a_key_that_a_token_brings_along_is_not_used(
    client: httpx.AsyncClient, good: dict[str, Any], signing_key: dict[str, Any], member: str, is_signed_by_us: bool
) -> None:
    theirs = new_key("ES256")
    brought = {"jwk": public(theirs), "jku": "https://evil.example/", "x5u": "https://evil.example/", "x5c": ["MIIB"]}
    key = signing_key if is_signed_by_us else theirs
    await assert_bearer_refused(client, signed(key, good, **{member: brought[member]}))


@pytest.mark.parametrize("header", CRITICAL.values(), ids=CRITICAL)
async def test_a_critical_extension_is_not_understood(
    client: httpx.AsyncClient, good: dict[str, Any], signing_key: dict[str, Any], header: dict[str, Any]
) -> None:
    await assert_bearer_refused(client, signed(signing_key, good, **header))


@pytest.mark.parametrize("kid", ABSURD_KIDS.values(), ids=ABSURD_KIDS)
async def test_an_absurd_key_id_finds_no_key(
    client: httpx.AsyncClient, good: dict[str, Any], signing_key: dict[str, Any], kid: Any
) -> None:
    await assert_bearer_refused(client, signed(signing_key, good, kid=kid))


@pytest.mark.parametrize("form", ["{header}.{payload}", "{header}.{payload}.", "{header}..{signature}", "..", "a.b.c"])
async def test_a_token_in_pieces_is_refused(client: httpx.AsyncClient, ada: Person, form: str) -> None:
    header, payload, signature = ada.token.split(".")
    await assert_bearer_refused(client, form.format(header=header, payload=payload, signature=signature))


@pytest.mark.parametrize("ending", [".", ".e30", "=", "A", " x", "\u00e9", "%00"])
async def test_a_token_with_something_after_it_is_refused(client: httpx.AsyncClient, ada: Person, ending: str) -> None:
    headers = {b"Authorization": f"Bearer {ada.token}{ending}".encode("latin-1")}
    assert_refused(await client.get(TASKS, headers=headers), 401, "invalid_token")


@pytest.mark.parametrize(
    "credential",
    [
        "sb_secret_N7UND0UgjKTVK-Uodkm0Hg_xSvEMPvz",
        "sb_publishable_ACJWlzQHlZjBrEguHvfOxg_3BJgxAaH",
        "null",
        "undefined",
    ],
)
async def test_what_is_no_jwt_is_no_bearer_token(client: httpx.AsyncClient, credential: str) -> None:
    await assert_bearer_refused(client, credential)


async def test_a_token_of_100_kb_is_refused_unread(
    client: httpx.AsyncClient, good: dict[str, Any], signing_key: dict[str, Any]
) -> None:
    await assert_bearer_refused(client, signed(signing_key, {**good, "padding": "x" * 75_000}))


@pytest.mark.parametrize("part", ["header", "payload"])
@pytest.mark.parametrize("brackets", ["[]", '{"a":}'])
async def test_deep_nesting_is_refused(
    client: httpx.AsyncClient, good: dict[str, Any], signing_key: dict[str, Any], part: str, brackets: str
) -> None:
    opening, closing = brackets[:-1], brackets[-1]
    deep = (opening * 2000 + "1" + closing * 2000).encode()
    header: Any = {"alg": "ES256", "kid": signing_key["kid"]}
    parts = {"header": (deep, good), "payload": (header, deep)}[part]
    await assert_bearer_refused(client, compact(*parts, signer(signing_key)))


@pytest.mark.parametrize("document", ["", "null", "1", '"text"', "[]", "{", "\xff", '{"alg":"ES256"}{}'])
@pytest.mark.parametrize("part", ["header", "payload"])
async def test_a_part_that_is_no_json_object_is_refused(
    client: httpx.AsyncClient, good: dict[str, Any], signing_key: dict[str, Any], part: str, document: str
) -> None:
    raw = document.encode("latin-1")
    header: Any = {"alg": "ES256", "kid": signing_key["kid"]}
    parts = {"header": (raw, good), "payload": (header, raw)}[part]
    await assert_bearer_refused(client, compact(*parts, signer(signing_key)))


async def test_one_signature_does_not_serve_another_payload(
    client: httpx.AsyncClient, ada: Person, bob: Person
) -> None:
    header, _, signature = ada.token.split(".")
    await assert_bearer_refused(client, f"{header}.{bob.token.split('.')[1]}.{signature}")


async def test_a_json_serialization_of_a_token_is_refused(client: httpx.AsyncClient, ada: Person) -> None:
    header, payload, signature = ada.token.split(".")
    whole = json.dumps({"protected": header, "payload": payload, "signature": signature})
    await assert_bearer_refused(client, segment(json.loads(whole)))
    await assert_bearer_refused(client, whole)


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Basic YTpi", "Token abc", "{token}", "JWT {token}", ""])
async def test_without_a_bearer_token_nobody_is_signed_in(client: httpx.AsyncClient, ada: Person, header: str) -> None:
    response = await client.get(TASKS, headers={"Authorization": header.format(token=ada.token)})
    assert_refused(response, 401, "unauthenticated")


async def test_without_the_header_nobody_is_signed_in(client: httpx.AsyncClient) -> None:
    assert_refused(await client.get(TASKS), 401, "unauthenticated")


async def test_the_scheme_is_read_without_case(client: httpx.AsyncClient, ada: Person) -> None:
    assert (await client.get(TASKS, headers={"Authorization": f"bEARER {ada.token}"})).status_code == 200
