"""An issuer in trouble: its old keys serve on, and it is left in peace until it may have recovered."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import httpx
import pytest
import respx

from api_main.auth import keys as keys_module
from api_main.auth.errors import KeysUnavailable
from api_main.auth.keys import COOLDOWN_SECONDS, FRESH_SECONDS, MAX_JWKS_BYTES, RemoteKeys
from tests.auth.conftest import KEYS_URL
from tests.auth.forge import jwks, kids, new_key
from tests.clock import Clock

Impatience = Callable[[], AbstractContextManager[None]]

FIRST, SECOND = new_key("ES256", "first"), new_key("ES256", "second")


async def test_while_one_looks_for_news_the_others_go_on_with_the_old_keys(
    remote_keys: RemoteKeys, mocked: respx.MockRouter, clock: Clock
) -> None:
    answered = asyncio.Event()

    async def hang(request: httpx.Request) -> httpx.Response:
        await answered.wait()
        return httpx.Response(200, json=jwks(FIRST, SECOND))

    address = mocked.get(KEYS_URL).respond(json=jwks(FIRST))
    await remote_keys.find("first", "ES256")
    clock.advance(FRESH_SECONDS)
    address.mock(side_effect=hang)
    looking = asyncio.create_task(remote_keys.find("first", "ES256"))
    await asyncio.sleep(0.01)
    assert kids(await remote_keys.find("first", "ES256")) == ["first"]
    needs_the_new_one = asyncio.create_task(remote_keys.find("second", "ES256"))
    await asyncio.sleep(0.01)
    assert not looking.done()
    answered.set()
    assert kids(await looking) == ["first"]
    assert kids(await needs_the_new_one) == ["second"]
    assert address.call_count == 2


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
def impatience(monkeypatch: pytest.MonkeyPatch) -> Impatience:
    """Give a fetch little time for a while: on a busy machine, none is sure to succeed."""

    @contextmanager
    def impatient() -> Iterator[None]:
        with monkeypatch.context() as patch:
            patch.setattr(keys_module, "FETCH_SECONDS", 0.05)
            yield

    return impatient


@pytest.mark.parametrize("trouble", TROUBLE.values(), ids=TROUBLE)
async def test_old_keys_serve_while_the_issuer_is_in_trouble(
    remote_keys: RemoteKeys,
    mocked: respx.MockRouter,
    clock: Clock,
    removals: list[str],
    impatience: Impatience,
    trouble: dict[str, Any],
) -> None:
    elsewhere = mocked.get("https://elsewhere.test/jwks.json").respond(json=jwks(SECOND))
    address = mocked.get(KEYS_URL).respond(json=jwks(FIRST))
    await remote_keys.find("first", "ES256")
    address.mock(**trouble)
    with impatience():
        for _ in range(10):
            clock.advance(FRESH_SECONDS)
            assert kids(await remote_keys.find("first", "ES256")) == ["first"]
            assert remote_keys.fresh_until == clock.now + COOLDOWN_SECONDS  # and so hold remembered tokens
    assert address.call_count == 11
    assert await remote_keys.find("second", "ES256") == []
    assert (removals, elsewhere.called) == ([], False)
    address.mock(side_effect=None).respond(json=jwks(SECOND))
    clock.advance(COOLDOWN_SECONDS)
    assert kids(await remote_keys.find("second", "ES256")) == ["second"]


@pytest.mark.parametrize("trouble", TROUBLE.values(), ids=TROUBLE)
async def test_without_any_keys_the_issuer_is_asked_once_per_cooldown(
    remote_keys: RemoteKeys, mocked: respx.MockRouter, clock: Clock, impatience: Impatience, trouble: dict[str, Any]
) -> None:
    address = mocked.get(KEYS_URL).mock(**trouble)
    for _ in range(5):
        with impatience(), pytest.raises(KeysUnavailable) as refused:
            await remote_keys.find("first", "ES256")
        assert refused.value.headers == {"Retry-After": "30"}
    assert address.call_count == 1
    clock.advance(COOLDOWN_SECONDS)
    address.mock(side_effect=None).respond(json=jwks(FIRST))
    assert kids(await remote_keys.find("first", "ES256")) == ["first"]
