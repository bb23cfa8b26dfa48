"""Keys behind a JWKS address: when they are fetched, how often, and which of them count."""

import asyncio
from typing import Any

import httpx
import pytest
import respx

from api_main.auth.errors import KeysUnavailable
from api_main.auth.keys import COOLDOWN_SECONDS, FRESH_SECONDS, RemoteKeys
from api_main.core.cache import Cache
from tests.auth.conftest import KEYS_URL
from tests.auth.forge import jwks, kids, new_key, public
from tests.clock import Clock

FIRST, SECOND = new_key("ES256", "first"), new_key("ES256", "second")
RSA = new_key("RS256", "rsa")


@pytest.fixture
def address(mocked: respx.MockRouter) -> respx.Route:
    return mocked.get(KEYS_URL).respond(json=jwks(FIRST))


async def test_keys_are_fetched_when_first_needed_and_kept_for_ten_minutes(
    remote_keys: RemoteKeys, address: respx.Route, clock: Clock
) -> None:
    for _ in range(20):
        assert kids(await remote_keys.find("first", "ES256")) == ["first"]
        clock.advance((FRESH_SECONDS - 1) / 20)
    assert address.call_count == 1
    clock.advance(30)
    assert kids(await remote_keys.find("first", "ES256")) == ["first"]
    assert address.call_count == 2


async def test_fifty_at_once_cause_one_fetch(remote_keys: RemoteKeys, mocked: respx.MockRouter, clock: Clock) -> None:
    async def slow(request: httpx.Request) -> httpx.Response:
        clock.advance(0.001)
        await asyncio.sleep(0.01)
        return httpx.Response(200, json=jwks(FIRST))

    route = mocked.get(KEYS_URL).mock(side_effect=slow)
    found = await asyncio.gather(*(remote_keys.find("first", "ES256") for _ in range(50)))
    assert [kids(each) for each in found] == [["first"]] * 50
    assert route.call_count == 1


async def test_fifty_at_once_wait_for_one_failure(remote_keys: RemoteKeys, mocked: respx.MockRouter) -> None:
    route = mocked.get(KEYS_URL).respond(503)
    outcomes = await asyncio.gather(*(remote_keys.find("first", "ES256") for _ in range(50)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {KeysUnavailable}
    assert route.call_count == 1


async def test_the_first_to_ask_may_hang_up_during_the_first_fetch(
    remote_keys: RemoteKeys, mocked: respx.MockRouter
) -> None:
    asked, answered = asyncio.Event(), asyncio.Event()

    async def hang(request: httpx.Request) -> httpx.Response:
        asked.set()
        await answered.wait()
        return httpx.Response(200, json=jwks(FIRST))

    route = mocked.get(KEYS_URL).mock(side_effect=hang)
    first = asyncio.create_task(remote_keys.find("first", "ES256"))
    await asked.wait()
    first.cancel()
    await asyncio.wait([first])
    second = asyncio.create_task(remote_keys.find("first", "ES256"))
    answered.set()
    assert kids(await second) == ["first"]
    assert route.call_count == 1


async def test_replicas_fetch_together(mocked: respx.MockRouter, outside: httpx.AsyncClient, clock: Clock) -> None:
    """One process' cache stands for the one that replicas share; see tests/cache."""
    shared = Cache()
    address = mocked.get(KEYS_URL).respond(json=jwks(FIRST))
    replicas = [RemoteKeys(KEYS_URL, outside, shared, lambda: None) for _ in range(5)]
    for keys in replicas:
        assert kids(await keys.find("first", "ES256")) == ["first"]
        assert await keys.find("unknown", "ES256") == []
    assert address.call_count == 1


async def test_a_new_key_is_found_as_soon_as_the_cooldown_is_over(
    remote_keys: RemoteKeys, address: respx.Route, clock: Clock
) -> None:
    await remote_keys.find("first", "ES256")
    address.respond(json=jwks(FIRST, SECOND))
    assert await remote_keys.find("second", "ES256") == []
    clock.advance(COOLDOWN_SECONDS)
    assert kids(await remote_keys.find("second", "ES256")) == ["second"]
    assert address.call_count == 2


async def test_a_flood_of_unknown_keys_causes_one_fetch_per_cooldown(
    remote_keys: RemoteKeys, address: respx.Route, clock: Clock
) -> None:
    for second in range(int(3 * COOLDOWN_SECONDS)):
        await asyncio.gather(*(remote_keys.find(f"unknown {second} {number}", "ES256") for number in range(20)))
        clock.advance(1)
    assert address.call_count == 3


async def test_a_key_that_is_gone_is_reported_once(
    remote_keys: RemoteKeys, address: respx.Route, clock: Clock, removals: list[str]
) -> None:
    address.respond(json=jwks(FIRST, SECOND))
    await remote_keys.find("first", "ES256")
    address.respond(json=jwks(SECOND))
    clock.advance(FRESH_SECONDS)
    assert await remote_keys.find("first", "ES256") == []
    assert removals == ["removed"]
    clock.advance(FRESH_SECONDS)
    assert kids(await remote_keys.find("second", "ES256")) == ["second"]
    assert removals == ["removed"]


async def test_another_key_under_the_same_name_is_another_key(
    remote_keys: RemoteKeys, address: respx.Route, clock: Clock, removals: list[str]
) -> None:
    [before] = await remote_keys.find("first", "ES256")
    address.respond(json=jwks(new_key("ES256", "first")))
    clock.advance(FRESH_SECONDS)
    [after] = await remote_keys.find("first", "ES256")
    assert before.thumbprint != after.thumbprint
    assert removals == ["removed"]


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
)
async def test_an_entry_that_is_not_understood_is_passed_over(
    remote_keys: RemoteKeys, mocked: respx.MockRouter, entry: Any
) -> None:
    mocked.get(KEYS_URL).respond(json={"keys": [entry, public(FIRST)]})
    assert [*await remote_keys.find(None, "ES256"), *await remote_keys.find(None, "RS256")] == await remote_keys.find(
        "first", "ES256"
    )


async def test_a_token_without_a_key_id_tries_the_keys_of_its_algorithm(
    remote_keys: RemoteKeys, mocked: respx.MockRouter
) -> None:
    mocked.get(KEYS_URL).respond(json=jwks(FIRST, SECOND, RSA))
    assert kids(await remote_keys.find(None, "ES256")) == ["first", "second"]
    assert kids(await remote_keys.find("rsa", "RS256")) == ["rsa"]
    assert await remote_keys.find("rsa", "ES256") == []


async def test_a_private_key_published_by_mistake_is_kept_as_a_public_one(
    remote_keys: RemoteKeys, mocked: respx.MockRouter
) -> None:
    mocked.get(KEYS_URL).respond(json={"keys": [FIRST]})
    [key] = await remote_keys.find("first", "ES256")
    assert not hasattr(key.jwk.key, "private_numbers")


async def test_a_key_set_without_keys_takes_the_last_key_away(
    remote_keys: RemoteKeys, address: respx.Route, clock: Clock, removals: list[str]
) -> None:
    await remote_keys.find("first", "ES256")
    address.respond(json={"keys": []})
    clock.advance(FRESH_SECONDS)
    assert await remote_keys.find("first", "ES256") == []
    assert removals == ["removed"]


async def test_an_issuer_that_publishes_no_keys_is_not_away(remote_keys: RemoteKeys, address: respx.Route) -> None:
    """A Supabase project that still signs with its legacy secret."""
    address.respond(json={"keys": []})
    assert await remote_keys.find("first", "ES256") == []
