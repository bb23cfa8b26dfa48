"""Whose tokens are accepted: ours, Supabase's and those of trusted issuers, side by side, each with its own keys."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest
import respx

from api_main.core.settings import Settings
from api_main.main import create_app
from tests.auth.calls import AUTH, TASKS, assert_refused, bearer
from tests.auth.forge import Jwk, claims_from, compact, hmac_with, jwks, new_key, public_forms, signed
from tests.people import Person

SUPABASE = "https://project.supabase.test"
OURS, THEIRS, CLERK = "http://api.test/auth/v1", f"{SUPABASE}/auth/v1", "https://clerk.test"
LEGACY_SECRET = "a-legacy-secret-of-at-least-32-characters"
SUPABASE_EC, SUPABASE_RSA = new_key("ES256", "supabase-ec"), new_key("RS256", "supabase-rsa")
CLERK_RSA, CLERK_EC = new_key("RS256", "clerk-rsa"), new_key("ES256", "clerk-ec")
TRUSTED = {"issuer": CLERK, "jwks_url": f"{CLERK}/jwks", "audience": "tasks", "algorithms": ["RS256"]}

Serve = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture(autouse=True)
def published(mocked: respx.MockRouter) -> None:
    mocked.get(f"{THEIRS}/.well-known/jwks.json").respond(json=jwks(SUPABASE_EC, SUPABASE_RSA))
    mocked.get(f"{CLERK}/jwks").respond(json=jwks(CLERK_RSA, CLERK_EC))


@pytest.fixture
def serve(settings: Settings) -> Serve:
    """The API on the same database, under other settings."""

    @asynccontextmanager
    async def start(**changes: Any) -> AsyncIterator[httpx.AsyncClient]:
        key = {"supabase_publishable_key": "sb_publishable_of-the-test"}
        other = Settings(_env_file=None, **{**settings.model_dump(exclude_unset=True), **key, **changes})
        app = create_app(other)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url=SUPABASE) as http:
            yield http

    return start


@pytest.fixture
async def hybrid(serve: Serve) -> AsyncIterator[httpx.AsyncClient]:
    """The API in Supabase mode, with keys of its own and one more issuer."""
    async with serve(supabase_url=f"{SUPABASE}/", trusted_issuers=json.dumps([TRUSTED])) as http:
        yield http


def legacy(**changes: Any) -> str:
    """A token signed with the legacy secret: it names no key."""
    return compact({"alg": "HS256", "typ": "JWT"}, claims_from(THEIRS, **changes), hmac_with(LEGACY_SECRET.encode()))


async def status_for(client: httpx.AsyncClient, token: str) -> int:
    return (await client.get(TASKS, headers=bearer(token))).status_code


async def test_tokens_of_all_issuers_are_accepted_at_once(hybrid: httpx.AsyncClient, ada: Person) -> None:
    tokens = [
        ada.token,
        signed(SUPABASE_EC, claims_from(THEIRS)),
        signed(SUPABASE_RSA, claims_from(THEIRS)),
        signed(CLERK_RSA, claims_from(CLERK, aud="tasks")),
    ]
    for token in tokens * 2:
        assert await status_for(hybrid, token) == 200


async def test_one_person_has_the_same_tasks_whoever_vouches_for_them(hybrid: httpx.AsyncClient, ada: Person) -> None:
    theirs = bearer(signed(SUPABASE_EC, claims_from(THEIRS, sub=str(ada.id), session_id=str(ada.session))))
    assert (await hybrid.post(TASKS, json={"title": "Shared"}, headers=ada.headers)).status_code == 201
    assert [task["title"] for task in (await hybrid.get(TASKS, headers=theirs)).json()["data"]] == ["Shared"]
    assert (await hybrid.get(f"{AUTH}/me", headers=theirs)).json()["data"]["id"] == str(ada.id)


@pytest.mark.parametrize("issuer", [OURS, THEIRS, CLERK])
@pytest.mark.parametrize("key", ["ours", "supabase-ec", "supabase-rsa", "clerk-rsa", "clerk-ec"])
async def test_a_key_is_tried_against_its_own_issuer_alone(
    hybrid: httpx.AsyncClient, signing_key: Jwk, issuer: str, key: str
) -> None:
    named = {jwk["kid"]: jwk for jwk in (SUPABASE_EC, SUPABASE_RSA, CLERK_RSA, CLERK_EC)} | {"ours": signing_key}
    rightful = {OURS: {"ours"}, THEIRS: {"supabase-ec", "supabase-rsa"}, CLERK: {"clerk-rsa"}}
    token = signed(named[key], claims_from(issuer, aud="tasks" if issuer == CLERK else "authenticated"))
    assert await status_for(hybrid, token) == (200 if key in rightful[issuer] else 401)


async def test_a_trusted_issuer_vouches_for_no_account_of_ours(serve: Serve, ada: Person) -> None:
    claims = claims_from(CLERK, aud="tasks", sub=str(ada.id), session_id=str(ada.session))
    theirs = bearer(signed(CLERK_RSA, claims))
    async with serve(trusted_issuers=json.dumps([TRUSTED])) as http:
        assert (await http.get(TASKS, headers=theirs)).status_code == 200
        answers = [await http.request(method, "/auth/v1/user", headers=theirs, json={}) for method in ("GET", "PUT")]
        assert [(answer.status_code, answer.json()["error_code"]) for answer in answers] == [(403, "bad_jwt")] * 2
        assert (await http.get("/auth/v1/user", headers=ada.headers)).status_code == 200


async def test_each_issuer_has_its_own_audience(hybrid: httpx.AsyncClient) -> None:
    assert await status_for(hybrid, signed(CLERK_RSA, claims_from(CLERK))) == 401
    assert await status_for(hybrid, signed(SUPABASE_EC, claims_from(THEIRS, aud="tasks"))) == 401


@pytest.mark.parametrize("role", ["service_role", "anon", "supabase_admin"])
async def test_no_issuer_makes_anybody_more_than_a_user(hybrid: httpx.AsyncClient, role: str) -> None:
    for token in (
        signed(SUPABASE_EC, claims_from(THEIRS, role=role)),
        signed(CLERK_RSA, claims_from(CLERK, aud="tasks", role=role)),
    ):
        assert_refused(await hybrid.get(TASKS, headers=bearer(token)), 401, "role_not_allowed")


async def test_the_legacy_secret_counts_only_where_it_is_configured(serve: Serve) -> None:
    token = legacy()
    async with serve(supabase_url=SUPABASE) as client:
        assert await status_for(client, token) == 401
    async with serve(supabase_url=SUPABASE, supabase_jwt_secret=LEGACY_SECRET) as client:
        assert await status_for(client, token) == 200
        assert await status_for(client, signed(SUPABASE_EC, claims_from(THEIRS))) == 200


@pytest.mark.parametrize("role", ["anon", "service_role"])
async def test_the_legacy_api_keys_are_nobody(serve: Serve, role: str) -> None:
    async with serve(supabase_url=SUPABASE, supabase_jwt_secret=LEGACY_SECRET) as client:
        for key in (legacy(role=role), legacy(role=role, aud=None, sub=None), legacy(role=role, iss="supabase")):
            assert await status_for(client, key) == 401


async def test_with_the_legacy_secret_public_keys_still_are_no_secrets(serve: Serve) -> None:
    async with serve(supabase_url=SUPABASE, supabase_jwt_secret=LEGACY_SECRET) as client:
        for secret in public_forms(SUPABASE_EC).values():
            header = {"alg": "HS256", "kid": SUPABASE_EC["kid"]}
            assert await status_for(client, compact(header, claims_from(THEIRS), hmac_with(secret))) == 401


async def test_the_legacy_secret_vouches_for_supabase_alone(serve: Serve) -> None:
    async with serve(supabase_url=SUPABASE, supabase_jwt_secret=LEGACY_SECRET) as client:
        assert await status_for(client, legacy(iss=OURS)) == 401


async def test_supabase_is_not_trusted_until_it_is_configured(client: httpx.AsyncClient) -> None:
    assert await status_for(client, signed(SUPABASE_EC, claims_from(THEIRS))) == 401


async def test_supabase_mode_needs_no_keys_of_ours(serve: Serve, ada: Person) -> None:
    async with serve(supabase_url=SUPABASE, jwt_signing_keys=None) as client:
        assert await status_for(client, signed(SUPABASE_RSA, claims_from(THEIRS))) == 200
        assert await status_for(client, ada.token) == 401
        assert (await client.get("/auth/v1/.well-known/jwks.json")).status_code == 404


async def test_an_issuer_that_cannot_be_reached_is_a_503_for_its_own_tokens(
    hybrid: httpx.AsyncClient, mocked: respx.MockRouter, ada: Person
) -> None:
    mocked.get(f"{THEIRS}/.well-known/jwks.json").mock(side_effect=httpx.ConnectError)
    response = await hybrid.get(TASKS, headers=bearer(signed(SUPABASE_EC, claims_from(THEIRS))))
    assert_refused(response, 503, "keys_unavailable")
    assert int(response.headers["Retry-After"]) >= 1
    assert await status_for(hybrid, ada.token) == 200
    assert await status_for(hybrid, signed(CLERK_RSA, claims_from(CLERK, aud="tasks"))) == 200


async def test_a_stranger_with_a_made_up_issuer_causes_no_fetch(
    hybrid: httpx.AsyncClient, mocked: respx.MockRouter
) -> None:
    assert await status_for(hybrid, signed(new_key("ES256"), claims_from(f"https://{uuid4()}.test"))) == 401
    assert not mocked.calls
