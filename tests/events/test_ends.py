"""Streams end: with their time, their token, their session. And they hold nothing while they are open."""

from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest

from api_main.core.settings import Settings
from api_main.main import create_app
from tests.events.client import Event, follow
from tests.patience import PATIENCE, eventually
from tests.people import Person, claims, sign
from tests.serving import serve

Admin = psycopg.Connection[Any]

ENDS: dict[str, Callable[[Admin, Person], Any]] = {
    "signed out": lambda admin, person: admin.execute("delete from auth.sessions where id = %s", (person.session,)),
    "banned": lambda admin, person: admin.execute(
        "update auth.users set banned_until = 'infinity' where id = %s", (person.id,)
    ),
    "deleted": lambda admin, person: admin.execute("delete from auth.users where id = %s", (person.id,)),
}


def end(reason: str) -> Event:
    return Event("end", {"reason": reason}, None)


@pytest.mark.parametrize("how", ENDS)
async def test_a_stream_ends_with_the_session(http: httpx.AsyncClient, admin: Admin, ada: Person, how: str) -> None:
    async with follow(http, ada) as stream:
        ENDS[how](admin, ada)
        assert await stream.rest() == [end("session_ended")]


async def test_a_stream_ends_with_the_token(http: httpx.AsyncClient, live_settings: Settings, ada: Person) -> None:
    short = claims(live_settings, ada.id, ada.session)
    short["exp"] = short["iat"] + 5  # within which a busy machine opens the stream
    brief = Person(ada.id, ada.email, ada.session, sign(live_settings, short))
    async with follow(http, brief) as stream:
        assert await stream.rest() == [end("token_expired")]


async def test_a_stream_of_a_personal_token_ends_when_it_is_revoked(http: httpx.AsyncClient, ada: Person) -> None:
    form = {"name": "watch", "scopes": ["tasks:read"]}
    token = (await http.post("/api/v1/tokens", json=form, headers=ada.headers)).json()["data"]
    async with follow(http, Person(ada.id, ada.email, ada.session, token["token"])) as stream:
        await http.delete(f"/api/v1/tokens/{token['id']}", headers=ada.headers)
        assert await stream.rest() == [end("session_ended")]


async def test_another_scope_opens_no_stream(http: httpx.AsyncClient, ada: Person) -> None:
    form = {"name": "watch", "scopes": ["tasks:write"]}
    token = (await http.post("/api/v1/tokens", json=form, headers=ada.headers)).json()["data"]["token"]
    answer = await http.get("/api/v1/tasks/events", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "insufficient_scope")


async def test_a_stream_ends_in_time_though_its_owner_is_busy(live_settings: Settings, ada: Person) -> None:
    brief = live_settings.model_copy(update={"live_connection_seconds": 1.0, "live_heartbeat_seconds": 60.0})
    with serve(create_app(brief)) as url:
        async with httpx.AsyncClient(base_url=url, timeout=PATIENCE) as http, follow(http, ada) as stream:
            assert await stream.rest() == [end("time")]
            assert stream.comments == 0


async def test_idle_streams_leave_the_one_connection_to_the_others(
    live_settings: Settings, admin: Admin, ada: Person
) -> None:
    """And there is a single connection besides, on which all of them hear."""
    narrow = {"database_pool_min": 1, "database_pool_max": 1, "live_connections_per_user": 30, "public_url": "http://x"}
    with serve(create_app(live_settings.model_copy(update=narrow))) as url:
        mine = live_settings.model_copy(update=narrow)
        person = Person(ada.id, ada.email, ada.session, sign(mine, claims(mine, ada.id, ada.session)))
        async with httpx.AsyncClient(base_url=url, timeout=PATIENCE) as http:
            await twenty_follow(http, person)


async def twenty_follow(http: httpx.AsyncClient, person: Person, streams: int = 20) -> None:
    if streams:
        async with follow(http, person) as stream:
            await twenty_follow(http, person, streams - 1)
            assert (await stream.next()).data["task"]["title"] == "told to all"
    else:
        made = await http.post("/api/v1/tasks", json={"title": "told to all"}, headers=person.headers)
        assert made.status_code == 201


async def test_whoever_hangs_up_is_forgotten(http: httpx.AsyncClient, ada: Person) -> None:
    for _ in range(10):  # three at a time are allowed

        async def opens() -> bool:
            try:
                async with follow(http, ada):
                    return True
            except AssertionError:
                return False

        await eventually(opens)
