"""One client per call: nothing of one user's call is ever seen in another's."""

import asyncio
import gc
import json
from collections.abc import Iterator
from typing import Any

import httpx
import jwt
import pytest
import respx
from supabase import ASupabaseAuthClient

from tests.conftest import NewPerson
from tests.patience import eventually
from tests.people import Person
from tests.supabase_mode import project
from tests.supabase_mode.calls import AUTH, PASSWORD, change_password, login, logout, refresh, sent
from tests.supabase_mode.conftest import Serve, in_project
from tests.supabase_mode.project import PUBLISHABLE_KEY, SECRET_KEY


@pytest.fixture
def people(new_person: NewPerson) -> list[Person]:
    return [in_project(new_person()) for _ in range(20)]


@pytest.fixture
def auth(supabase: respx.MockRouter) -> respx.MockRouter:
    """Supabase Auth, slow enough for calls to overlap; whoever signs in gets tokens that name them."""

    async def signed_in(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0.01)
        name = json.loads(request.content).get("email") or json.loads(request.content)["refresh_token"]
        return httpx.Response(200, json=project.session(f"token.of.{name}", email=name), headers=cookie(name))

    async def owner(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0.01)
        subject = claims(request)["sub"]
        return httpx.Response(200, json=project.user(id=subject), headers=cookie(subject))

    supabase.post("/token").mock(side_effect=signed_in)
    for method in ("GET", "PUT"):
        supabase.request(method, "/user").mock(side_effect=owner)
    supabase.post("/logout").respond(204)
    return supabase


def cookie(name: str) -> dict[str, str]:
    """What a gateway may set, and what a shared client would show to the next user."""
    return {"Set-Cookie": f"sb-session={name}; Path=/"}


def claims(request: httpx.Request) -> Any:
    return jwt.decode(request.headers["authorization"].removeprefix("Bearer "), options={"verify_signature": False})


def requests_of(router: respx.MockRouter) -> Iterator[httpx.Request]:
    return (call.request for call in router.calls if not call.request.url.path.endswith("jwks.json"))


async def test_concurrent_users_never_share_a_session(
    api: httpx.AsyncClient, auth: respx.MockRouter, people: list[Person]
) -> None:
    signed_in = await asyncio.gather(*(login(api, person.email) for person in people))
    refreshed = await asyncio.gather(*(refresh(api, person.email) for person in people))
    for answers in (signed_in, refreshed):
        assert [answer.json()["data"]["access_token"] for answer in answers] == [
            f"token.of.{person.email}" for person in people
        ]
    for request in requests_of(auth):
        assert (request.headers["apikey"], request.headers.get("authorization")) == (PUBLISHABLE_KEY, None)


async def test_concurrent_changes_each_carry_their_own_token(
    api: httpx.AsyncClient, auth: respx.MockRouter, people: list[Person]
) -> None:
    half = len(people) // 2
    calls = [*(change_password(api, person) for person in people[:half]), *(logout(api, p) for p in people[half:])]
    answers = await asyncio.gather(*calls)
    assert {answer.status_code for answer in answers} == {204}
    tokens = {person.token for person in people}
    by_token: dict[str, list[str]] = {}
    for request in requests_of(auth):
        assert request.headers["apikey"] == PUBLISHABLE_KEY
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        by_token.setdefault(bearer, []).append(f"{request.method} {request.url.path.rpartition('/')[2]}")
    assert by_token.pop("") == ["POST token"] * half, "a password is proved by nobody in particular"
    assert by_token.keys() == tokens
    for person in people[:half]:
        assert by_token[person.token] == ["GET user", "PUT user", "POST logout"]


async def test_no_cookie_is_kept(api: httpx.AsyncClient, auth: respx.MockRouter, people: list[Person]) -> None:
    for person in people[:3]:
        await login(api, person.email)
        await change_password(api, person)
    assert all("cookie" not in request.headers for request in requests_of(auth))


def living_clients() -> int:
    gc.collect()
    return sum(isinstance(thing, ASupabaseAuthClient) for thing in gc.get_objects())


async def test_nothing_stays_behind_of_a_call(api: httpx.AsyncClient, auth: respx.MockRouter, ada: Person) -> None:
    tasks, clients = asyncio.all_tasks(), living_clients()
    for call in (login(api), refresh(api), change_password(api, ada), logout(api, ada)):
        await call
    await eventually(lambda: asyncio.all_tasks() <= tasks)  # no timer waits to refresh a token
    assert living_clients() <= clients


async def test_with_a_secret_key_the_callers_address_is_told(serve: Serve, auth: respx.MockRouter) -> None:
    """Else all users of this API would share the rate limits of one address."""
    async with serve(supabase_secret_key=SECRET_KEY) as api:
        await login(api, "ada@example.com")
        await refresh(api, "a-refresh-token")
    for request in requests_of(auth):
        assert (request.headers["apikey"], request.headers["sb-forwarded-for"]) == (SECRET_KEY, "203.0.113.7")
        assert "authorization" not in request.headers, "the new keys are no JWTs"


async def test_a_caller_cannot_tell_another_address(serve: Serve, auth: respx.MockRouter) -> None:
    forged = {"Sb-Forwarded-For": "198.51.100.1", "X-Forwarded-For": "198.51.100.1", "apikey": "mine"}
    async with serve(supabase_secret_key=SECRET_KEY) as api:
        form = {"email": "ada@example.com", "password": PASSWORD}
        await api.post(f"{AUTH}/login", json=form, headers=forged)
    headers, _ = sent(auth.routes[1])
    assert (headers["apikey"], headers["sb-forwarded-for"]) == (SECRET_KEY, "203.0.113.7")


async def test_the_legacy_key_does_as_well(serve: Serve, auth: respx.MockRouter) -> None:
    async with serve(supabase_publishable_key=None, supabase_anon_key="legacy.anon.key") as api:
        assert (await login(api)).status_code == 200
    [request] = requests_of(auth)
    assert (request.headers["apikey"], request.headers.get("authorization")) == ("legacy.anon.key", None)
