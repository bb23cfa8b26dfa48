"""Verified tokens are remembered: never longer than they, their keys or the memory last."""

import time
from collections.abc import Iterable
from typing import Any

import httpx
import pytest
import respx

from api_main.auth import verifier as verifier_module
from api_main.auth.errors import InvalidToken
from api_main.auth.issuers import USER_ROLES, Issuer
from api_main.auth.keys import FRESH_SECONDS, FixedKeys, RemoteKeys, VerificationKey
from api_main.auth.principal import Principal
from api_main.auth.verifier import TokenVerifier
from api_main.core.cache import Cache
from tests.auth.forge import claims_from, jwks, new_key, signed
from tests.clock import Clock

ISSUER, URL = "https://issuer.test", "https://issuer.test/jwks"
FIRST, SECOND = new_key("ES256", "first"), new_key("ES256", "second")


class CountedKeys(FixedKeys):
    """Keys that count how often a signature had to be checked."""

    def __init__(self, keys: Iterable[VerificationKey]) -> None:
        super().__init__(keys)
        self.checks = 0

    async def find(self, kid: str | None, algorithm: str) -> list[VerificationKey]:
        self.checks += 1
        return await super().find(kid, algorithm)


@pytest.fixture
def counted() -> CountedKeys:
    return CountedKeys([VerificationKey.from_jwk(FIRST, "ES256")])


@pytest.fixture
def verifier(counted: CountedKeys) -> TokenVerifier:
    return TokenVerifier([Issuer(ISSUER, "authenticated", USER_ROLES, {"ES256": counted})])


def token(**changes: Any) -> str:
    return signed(FIRST, claims_from(ISSUER, **changes))


async def test_a_signature_is_checked_once(verifier: TokenVerifier, counted: CountedKeys) -> None:
    text = token()
    first = await verifier.verify(text)
    assert await verifier.verify(text) is first
    assert counted.checks == 1


async def test_a_token_is_not_remembered_past_its_expiry(
    verifier: TokenVerifier, counted: CountedKeys, clock: Clock
) -> None:
    clock.now = time.time()
    text = token(exp=int(clock.now) + 60)
    await verifier.verify(text)
    clock.advance(58)
    await verifier.verify(text)
    assert counted.checks == 1
    clock.advance(2)
    await verifier.verify(text)
    assert counted.checks == 2


async def test_a_token_in_its_leeway_is_checked_each_time(verifier: TokenVerifier, counted: CountedKeys) -> None:
    text = token(exp=int(time.time()) - 10)
    for _ in range(3):
        await verifier.verify(text)
    assert counted.checks == 3


async def test_a_refused_token_is_not_remembered(verifier: TokenVerifier, counted: CountedKeys) -> None:
    for _ in range(2):
        with pytest.raises(InvalidToken):
            await verifier.verify(token(aud="elsewhere"))
    assert counted.checks == 2
    assert len(verifier._cache) == 0


async def test_no_more_tokens_are_remembered_than_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch, counted: CountedKeys
) -> None:
    monkeypatch.setattr(verifier_module, "CACHED_TOKENS", 10)
    verifier = TokenVerifier([Issuer(ISSUER, "authenticated", USER_ROLES, {"ES256": counted})])
    tokens = [token() for _ in range(25)]
    for text in tokens:
        await verifier.verify(text)
    assert len(verifier._cache) == 10
    await verifier.verify(tokens[-1])
    assert counted.checks == 25
    await verifier.verify(tokens[0])
    assert counted.checks == 26


async def test_two_tokens_of_one_person_are_two(verifier: TokenVerifier) -> None:
    subject = claims_from(ISSUER)["sub"]
    principals = {(await verifier.verify(token(sub=subject, jti=name))).claims["jti"] for name in ("a", "b")}
    assert principals == {"a", "b"}


async def test_the_memory_holds_no_token(verifier: TokenVerifier) -> None:
    text = token()
    principal = await verifier.verify(text)
    assert text not in repr(verifier._cache)
    assert all(len(key) == 32 for key in verifier._cache)
    assert principal.claims["iss"] not in repr(principal).replace(f"issuer='{ISSUER}'", "")


@pytest.fixture
def remote(mocked: respx.MockRouter, outside: httpx.AsyncClient, clock: Clock) -> TokenVerifier:
    """A verifier of one issuer whose keys are fetched."""
    mocked.get(URL).respond(json=jwks(FIRST, SECOND))
    verifier = TokenVerifier()
    keys = RemoteKeys(URL, outside, Cache(), verifier.flush)
    verifier.trust(Issuer(ISSUER, "authenticated", USER_ROLES, {"ES256": keys}))
    return verifier


async def test_a_removed_key_takes_its_remembered_tokens_along(
    remote: TokenVerifier, mocked: respx.MockRouter, clock: Clock
) -> None:
    by_first, by_second = token(exp=2**40), signed(SECOND, claims_from(ISSUER, exp=2**40))
    await remote.verify(by_first)
    await remote.verify(by_second)
    mocked.get(URL).respond(json=jwks(SECOND))
    clock.advance(FRESH_SECONDS)
    await remote.verify(by_second)
    assert len(remote._cache) == 1
    with pytest.raises(InvalidToken):
        await remote.verify(by_first)


async def test_a_token_is_not_remembered_past_the_freshness_of_its_keys(
    remote: TokenVerifier, mocked: respx.MockRouter, clock: Clock
) -> None:
    text = token(exp=2**40)
    first = await remote.verify(text)
    clock.advance(FRESH_SECONDS - 1)
    assert await remote.verify(text) is first
    mocked.get(URL).respond(json=jwks(SECOND))
    clock.advance(1)
    with pytest.raises(InvalidToken):
        await remote.verify(text)


async def test_a_token_survives_an_outage_of_its_issuer(
    remote: TokenVerifier, mocked: respx.MockRouter, clock: Clock
) -> None:
    text = token(exp=2**40)
    await remote.verify(text)
    mocked.get(URL).mock(side_effect=httpx.ConnectTimeout)
    for _ in range(5):
        clock.advance(FRESH_SECONDS)
        assert isinstance(await remote.verify(text), Principal)


async def test_a_token_signed_by_a_new_key_is_accepted_at_once(
    remote: TokenVerifier, mocked: respx.MockRouter, clock: Clock
) -> None:
    """Rotation: the issuer has published the key after we last looked, less than ten minutes ago."""
    third = new_key("ES256", "third")
    await remote.verify(token(exp=2**40))
    clock.advance(60)
    mocked.get(URL).respond(json=jwks(FIRST, SECOND, third))
    assert isinstance(await remote.verify(signed(third, claims_from(ISSUER, exp=2**40))), Principal)
