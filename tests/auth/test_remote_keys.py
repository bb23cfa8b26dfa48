"""Keys behind a JWKS address: when they are fetched, how often, and what serves while they cannot be."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import respx

from api_main.auth import keys as keys_module
from api_main.auth.errors import KeysUnavailable
from api_main.auth.keys import COOLDOWN_SECONDS, FRESH_SECONDS, MAX_JWKS_BYTES, RemoteKeys, VerificationKey
from tests.auth.conftest import Clock
from tests.auth.forge import jwks, new_key, public

URL = "https://issuer.test/.well-known/jwks.json"
FIRST, SECOND = new_key("ES256", "first"), new_key("ES256", "second")
RSA = new_key("RS256", "rsa")


@pytest.fixture
def address(mocked: respx.MockRouter) -> respx.Route:
    return mocked.get(URL).respond(json=jwks(FIRST))


@pytest.fixture
def removals() -> list[str]:
    return []


@pytest.fixture
def remote(outside: httpx.AsyncClient, clock: Clock, removals: list[str]) -> RemoteKeys:
    return RemoteKeys(URL, outside, lambda: removals.append("removed"))


def kids(found: list[VerificationKey]) -> list[str | None]:
    return [key.kid for key in found]


async def test_keys_are_fetched_when_first_needed_and_kept_for_ten_minutes(
    remote: RemoteKeys, address: respx.Route, clock: Clock
) -> None:
    for _ in range(20):
        assert kids(await remote.find("first", "ES256")) == ["first"]
        clock.advance((FRESH_SECONDS - 1) / 20)
    assert address.call_count == 1
    clock.advance(30)
    assert kids(await remote.find("first", "ES256")) == ["first"]
    assert address.call_count == 2


async def test_fifty_at_once_cause_one_fetch(remote: RemoteKeys, mocked: respx.MockRouter, clock: Clock) -> None:
    async def slow(request: httpx.Request) -> httpx.Response:
        clock.advance(0.001)
        await asyncio.sleep(0.01)
        return httpx.Response(200, json=jwks(FIRST))

    route = mocked.get(URL).mock(side_effect=slow)
    found = await asyncio.gather(*(remote.find("first", "ES256") for _ in range(50)))
    assert [kids(each) for each in found] == [["first"]] * 50
    assert route.call_count == 1


async def test_fifty_at_once_wait_for_one_failure(remote: RemoteKeys, mocked: respx.MockRouter) -> None:
    route = mocked.get(URL).respond(503)
    outcomes = await asyncio.gather(*(remote.find("first", "ES256") for _ in range(50)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {KeysUnavailable}
    assert route.call_count == 1


async def test_a_new_key_is_found_as_soon_as_the_cooldown_is_over(
    remote: RemoteKeys, address: respx.Route, clock: Clock
) -> None:
    await remote.find("first", "ES256")
    address.respond(json=jwks(FIRST, SECOND))
    assert await remote.find("second", "ES256") == []
    clock.advance(COOLDOWN_SECONDS)
    assert kids(await remote.find("second", "ES256")) == ["second"]
    assert address.call_count == 2


async def test_a_flood_of_unknown_keys_causes_one_fetch_per_cooldown(
    remote: RemoteKeys, address: respx.Route, clock: Clock
) -> None:
    for second in range(int(3 * COOLDOWN_SECONDS)):
        await asyncio.gather(*(remote.find(f"unknown {second} {number}", "ES256") for number in range(20)))
        clock.advance(1)
    assert address.call_count == 3


async def test_a_key_that_is_gone_is_reported_once(
    remote: RemoteKeys, address: respx.Route, clock: Clock, removals: list[str]
) -> None:
    address.respond(json=jwks(FIRST, SECOND))
    await remote.find("first", "ES256")
    address.respond(json=jwks(SECOND))
    clock.advance(FRESH_SECONDS)
    assert await remote.find("first", "ES256") == []
    assert removals == ["removed"]
    clock.advance(FRESH_SECONDS)
    assert kids(await remote.find("second", "ES256")) == ["second"]
    assert removals == ["removed"]


async def test_another_key_under_the_same_name_is_another_key(
    remote: RemoteKeys, address: respx.Route, clock: Clock, removals: list[str]
) -> None:
    [before] = await remote.find("first", "ES256")
    address.respond(json=jwks(new_key("ES256", "first")))
    clock.advance(FRESH_SECONDS)
    [after] = await remote.find("first", "ES256")
    assert before.thumbprint != after.thumbprint
    assert removals == ["removed"]


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield b" " * 65_536


async def never() -> AsyncIterator[bytes]:
    yield b"{"
    await asyncio.Event().wait()


TROUBLE: dict[str, dict[str, Any]] = {
    "error": {"return_value": httpx.Response(500)},
    "maintenance": {"return_value": httpx.Response(503, json=jwks(SECOND))},
    "not found": {"return_value": httpx.Response(404)},
    "redirect": {"return_value": httpx.Response(302, headers={"Location": "https://elsewhere.test/jwks.json"})},
    "no content": {"return_value": httpx.Response(204)},
    "html": {"return_value": httpx.Response(200, html="<html>")},
    "not utf-8": {"return_value": httpx.Response(200, content=b'{"keys": "\xff"}')},
    "no key set": {"return_value": httpx.Response(200, json=[])},
    "keys that are no list": {"return_value": httpx.Response(200, json={"keys": {}})},
    "nesting": {"return_value": httpx.Response(200, content=b"[" * 100_000)},
    "too large": {
        "return_value": httpx.Response(200, content=b" " * MAX_JWKS_BYTES + json.dumps(jwks(SECOND)).encode())
    },
    "endless": {"side_effect": lambda _: httpx.Response(200, content=endless())},
    "drop by drop": {"side_effect": lambda _: httpx.Response(200, content=never())},
    "broken compression": {"return_value": httpx.Response(200, headers={"Content-Encoding": "gzip"}, content=b"x")},
    "refused": {"side_effect": httpx.ConnectError},
    "slow to connect": {"side_effect": httpx.ConnectTimeout},
    "slow to answer": {"side_effect": httpx.ReadTimeout},
    "broken off": {"side_effect": httpx.RemoteProtocolError},
}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys_module, "FETCH_SECONDS", 0.05)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("trouble", TROUBLE.values(), ids=TROUBLE)
async def test_old_keys_serve_while_the_issuer_is_in_trouble(
    remote: RemoteKeys, mocked: respx.MockRouter, clock: Clock, removals: list[str], trouble: dict[str, Any]
) -> None:
    elsewhere = mocked.get("https://elsewhere.test/jwks.json").respond(json=jwks(SECOND))
    address = mocked.get(URL).respond(json=jwks(FIRST))
    await remote.find("first", "ES256")
    address.mock(**trouble)
    for _ in range(10):
        clock.advance(FRESH_SECONDS)
        assert kids(await remote.find("first", "ES256")) == ["first"]
    assert address.call_count == 11
    assert await remote.find("second", "ES256") == []
    assert (removals, elsewhere.called) == ([], False)
    address.mock(side_effect=None).respond(json=jwks(SECOND))
    clock.advance(COOLDOWN_SECONDS)
    assert kids(await remote.find("second", "ES256")) == ["second"]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("trouble", TROUBLE.values(), ids=TROUBLE)
async def test_without_any_keys_the_issuer_is_asked_once_per_cooldown(
    remote: RemoteKeys, mocked: respx.MockRouter, clock: Clock, trouble: dict[str, Any]
) -> None:
    address = mocked.get(URL).mock(**trouble)
    for _ in range(5):
        with pytest.raises(KeysUnavailable):
            await remote.find("first", "ES256")
    assert address.call_count == 1
    clock.advance(COOLDOWN_SECONDS)
    address.mock(side_effect=None).respond(json=jwks(FIRST))
    assert kids(await remote.find("first", "ES256")) == ["first"]


@pytest.mark.parametrize(
    "entry",
    [
        None,
        "text",
        {},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "first", "alg": "HS256"},
        {**public(SECOND), "use": "enc"},
        {**public(SECOND), "alg": "ES384"},
        {**public(SECOND), "crv": "P-384"},
        {**public(SECOND), "crv": "secp256k1"},
        {**public(SECOND), "kty": "OKP"},
        {**public(SECOND), "kty": ["EC"]},
        {**public(SECOND), "x": "AAAA"},
        {**public(SECOND), "y": 7},
        {**public(RSA), "n": ""},
        {**public(RSA), "e": None},
        {**public(RSA), "alg": "ES256"},
    ],
    ids=str,
)
async def test_an_entry_that_is_not_understood_is_passed_over(
    remote: RemoteKeys, mocked: respx.MockRouter, entry: Any
) -> None:
    mocked.get(URL).respond(json={"keys": [entry, public(FIRST)]})
    assert [*await remote.find(None, "ES256"), *await remote.find(None, "RS256")] == await remote.find("first", "ES256")


async def test_a_token_without_a_key_id_tries_the_keys_of_its_algorithm(
    remote: RemoteKeys, mocked: respx.MockRouter
) -> None:
    mocked.get(URL).respond(json=jwks(FIRST, SECOND, RSA))
    assert kids(await remote.find(None, "ES256")) == ["first", "second"]
    assert kids(await remote.find("rsa", "RS256")) == ["rsa"]
    assert await remote.find("rsa", "ES256") == []


async def test_a_private_key_published_by_mistake_is_kept_as_a_public_one(
    remote: RemoteKeys, mocked: respx.MockRouter
) -> None:
    mocked.get(URL).respond(json={"keys": [FIRST]})
    [key] = await remote.find("first", "ES256")
    assert not hasattr(key.jwk.key, "private_numbers")


async def test_a_key_set_without_keys_takes_the_last_key_away(
    remote: RemoteKeys, address: respx.Route, clock: Clock, removals: list[str]
) -> None:
    await remote.find("first", "ES256")
    address.respond(json={"keys": []})
    clock.advance(FRESH_SECONDS)
    assert await remote.find("first", "ES256") == []
    assert removals == ["removed"]


async def test_an_issuer_that_publishes_no_keys_is_not_away(remote: RemoteKeys, address: respx.Route) -> None:
    """A Supabase project that still signs with its legacy secret."""
    address.respond(json={"keys": []})
    assert await remote.find("first", "ES256") == []
