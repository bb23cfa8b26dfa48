"""Signing out: this session, all of them or all others, and at once."""

import asyncio
from typing import Any

import httpx
import pytest

from api_main.core.settings import Settings
from tests.auth.calls import AUTH, TASKS, assert_refused, bearer, read_me, refresh, sign_in
from tests.conftest import NewPerson
from tests.people import Person, claims, sign


@pytest.fixture
async def devices(client: httpx.AsyncClient, grace: Person) -> list[dict[str, Any]]:
    """Three sessions of one person, besides the one that the fixture began."""
    return [await sign_in(client, grace.email) for _ in range(3)]


async def sign_out(client: httpx.AsyncClient, token: str, **query: str) -> httpx.Response:
    return await client.post(f"{AUTH}/logout", params=query, headers=bearer(token))


async def is_alive(client: httpx.AsyncClient, tokens: dict[str, Any]) -> bool:
    """Whether a session still serves: its access token and its refresh token agree."""
    me = await read_me(client, tokens["access_token"])
    refreshed = await refresh(client, tokens["refresh_token"])
    assert me.is_success == refreshed.is_success
    if not me.is_success:
        assert_refused(me, 401, "session_ended")
        assert_refused(refreshed, 401, "invalid_refresh_token")
    return me.is_success


@pytest.mark.parametrize(
    ("query", "alive"),
    [
        ({}, [False, True, True]),
        ({"scope": "local"}, [False, True, True]),
        ({"scope": "others"}, [True, False, False]),
        ({"scope": "global"}, [False, False, False]),
    ],
)
async def test_a_scope_says_which_sessions_end(
    client: httpx.AsyncClient, devices: list[dict[str, Any]], query: dict[str, str], alive: list[bool]
) -> None:
    response = await sign_out(client, devices[0]["access_token"], **query)
    assert (response.status_code, response.content) == (204, b"")
    assert [await is_alive(client, tokens) for tokens in devices] == alive


async def test_nobody_elses_sessions_end(
    client: httpx.AsyncClient, devices: list[dict[str, Any]], new_person: NewPerson
) -> None:
    other = new_person()
    assert (await sign_out(client, other.token, scope="global")).status_code == 204
    assert all([await is_alive(client, tokens) for tokens in devices])


async def test_one_cannot_sign_out_twice(client: httpx.AsyncClient, devices: list[dict[str, Any]]) -> None:
    token = devices[0]["access_token"]
    assert (await sign_out(client, token)).status_code == 204
    assert_refused(await sign_out(client, token), 401, "session_ended")


async def test_an_unknown_scope_is_refused(client: httpx.AsyncClient, grace: Person) -> None:
    assert_refused(await sign_out(client, grace.token, scope="everyone"), 422, "validation_failed", "scope")
    assert (await read_me(client, grace.token)).status_code == 200


async def test_without_a_token_there_is_nothing_to_sign_out_of(client: httpx.AsyncClient) -> None:
    assert_refused(await client.post(f"{AUTH}/logout"), 401, "unauthenticated")


async def test_a_token_outside_any_session_is_not_live(
    client: httpx.AsyncClient, settings: Settings, ada: Person, bob: Person
) -> None:
    """Without a session, with none that exists, and with somebody else's."""
    without = claims(settings, ada.id)
    del without["session_id"]
    for payload in (without, claims(settings, ada.id), claims(settings, ada.id, bob.session)):
        tasks = await client.get(TASKS, headers=bearer(sign(settings, payload)))
        assert tasks.status_code == (200 if payload is without else 401)
        assert_refused(await read_me(client, sign(settings, payload)), 401, "session_ended")


async def test_more_people_than_connections_can_sign_out_at_once(
    client: httpx.AsyncClient, settings: Settings, new_person: NewPerson
) -> None:
    """Each needs two transactions; were the first held during the second, all would wait for each other."""
    people = [new_person() for _ in range(settings.database_pool_max * 3)]
    answers = await asyncio.gather(*(sign_out(client, person.token) for person in people))
    assert {answer.status_code for answer in answers} == {204}
