"""`WS /ws`: tasks and jobs over one connection, for whoever shows a token."""

import json
from typing import Any

import httpx
import psycopg
import pytest
from websockets.exceptions import InvalidStatus

from api_main.core.settings import Settings
from tests.events.socket_client import open_socket, socket_of
from tests.people import Person, claims, sign
from tests.tasks.client import TasksClient

Admin = psycopg.Connection[Any]


async def test_changes_of_tasks_are_told(address: str, adas: TasksClient, bobs: TasksClient) -> None:
    async with socket_of(address, adas.person) as of_ada, socket_of(address, bobs.person) as of_bob:
        assert (await of_ada.subscribe("tasks", ref="1"))["ref"] == "1"
        await of_bob.subscribe("tasks")
        task = await adas.add("Tell me")
        told = await of_ada.next()
        assert told == {"type": "task.created", "channel": "tasks", "id": 1, "subject": task["id"], "task": task}
        bobs_task = await bobs.add("Bob's")
        assert (await of_bob.next())["task"] == bobs_task
        await adas.delete(task["id"])
        assert (await of_ada.next())["type"] == "task.deleted"


async def test_changes_of_jobs_are_told_as_the_api_shows_them(
    address: str, http: httpx.AsyncClient, ada: Person, admin: Admin
) -> None:
    async with socket_of(address, ada) as socket:
        await socket.subscribe("jobs")
        form = {"kind": "tasks.export", "format": "csv"}
        job = (await http.post("/api/v1/jobs", json=form, headers=ada.headers)).json()["data"]
        made = await socket.next()
        assert (made["type"], made["subject"], made["job"]) == ("job.created", job["id"], job)
        result = {"summary": {"rows": 1}, "file": {"name": "a.csv", "media_type": "text/csv", "size": 3}}
        admin.execute(
            "update public.jobs set state = 'succeeded', done = 1, total = 1, result = %s where id = %s",
            (json.dumps(result), job["id"]),
        )
        shown = (await http.get(f"/api/v1/jobs/{job['id']}", headers=ada.headers)).json()["data"]
        assert (await socket.next())["job"] == shown


async def test_whoever_comes_back_goes_on_where_they_were(address: str, adas: TasksClient) -> None:
    await adas.add("seen")
    async with socket_of(address, adas.person) as socket:
        last = (await socket.subscribe("tasks"))["last_id"]
        assert last == 1
    missed = await adas.add_all({"title": "a"}, {"title": "b"})
    async with socket_of(address, adas.person) as socket:
        await socket.subscribe("tasks", after=last)
        assert [(await socket.next())["subject"] for _ in missed] == [task["id"] for task in missed]
        assert (await socket.subscribe("tasks", after=99))["last_id"] == 99
        assert await socket.next() == {"type": "reset", "channel": "tasks", "id": 3, "reason": "expired"}


async def test_what_is_unsubscribed_is_told_no_more(address: str, adas: TasksClient) -> None:
    async with socket_of(address, adas.person) as socket:
        await socket.subscribe("tasks")
        assert await socket.ask("unsubscribe", channel="tasks") == {"type": "unsubscribed", "channel": "tasks"}
        await adas.add("unheard")
        assert await socket.ask("ping", ref="p") == {"type": "pong", "ref": "p"}
        refused = await socket.ask("unsubscribe", channel="tasks")
        assert (refused["type"], refused["code"]) == ("error", "unknown_channel")


async def test_a_token_may_come_as_a_subprotocol(address: str, ada: Person) -> None:
    async with open_socket(address, subprotocols=["live.v1", f"bearer.{ada.token}"]) as socket:
        assert socket.connection.subprotocol == "live.v1"
        assert (await socket.next())["subject"] == str(ada.id)


async def test_the_version_may_stand_in_the_header_as_with_requests(address: str, ada: Person) -> None:
    headers = {"X-API-Version": "v1"}
    async with socket_of(address, ada, path="/api/ws", additional_headers=headers):
        pass
    with pytest.raises(InvalidStatus) as refused:
        async with open_socket(address, path="/api/ws", additional_headers={"X-API-Version": "v99"}):
            pass
    assert refused.value.response.status_code == 403


async def test_a_token_in_the_url_is_none(address: str, ada: Person) -> None:
    async with open_socket(address, path=f"/api/v1/ws?access_token={ada.token}&token={ada.token}") as socket:
        await socket.send("ping")
        code, said = await socket.end()
        assert (code, [message["code"] for message in said]) == (4401, ["unauthenticated"])


@pytest.mark.parametrize(
    ("first", "error"),
    [
        ('{"type": "authenticate", "token": "nonsense"}', "invalid_token"),
        ('{"type": "ping"}', "unauthenticated"),
        ('{"type": "subscribe", "channel": "tasks"}', "unauthenticated"),
        ("{", "bad_request"),
        ('{"type": "authenticate"}', "validation_failed"),
        ("[]", "validation_failed"),
    ],
    ids=["bad token", "ping", "subscribe", "no json", "no token", "a list"],
)
async def test_nothing_is_served_before_a_token_is_shown(address: str, first: str, error: str) -> None:
    async with open_socket(address) as socket:
        await socket.connection.send(first)
        code, said = await socket.end()
        assert (code, [message["code"] for message in said]) == (4401, [error])


async def test_a_page_of_a_strange_origin_gets_no_connection(address: str, ada: Person) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with open_socket(address, origin="https://evil.example"):
            pass
    assert refused.value.response.status_code == 403
    async with socket_of(address, ada, origin="http://localhost:3000"):
        pass


@pytest.mark.parametrize(
    ("message", "code", "field"),
    [
        ("{", "bad_request", None),
        ('{"type": "shout"}', "validation_failed", "type"),
        ('{"type": "subscribe", "channel": "users"}', "validation_failed", "channel"),
        ('{"type": "subscribe", "channel": "tasks", "after": -1}', "validation_failed", "after"),
        ('{"type": "subscribe", "channel": "tasks", "after": "1"}', "validation_failed", "after"),
        ('{"type": "ping", "more": 1}', "validation_failed", "more"),
        ('{"type": "subscribe", "channel": "presence:strangers"}', "unknown_channel", None),
    ],
    ids=["no json", "no such type", "no such table", "negative", "text", "unknown field", "not theirs"],
)
async def test_a_message_that_will_not_do_is_refused_and_the_connection_goes_on(
    address: str, ada: Person, message: str, code: str, field: str | None
) -> None:
    async with socket_of(address, ada) as socket:
        await socket.connection.send(message)
        refused = await socket.next()
        assert (refused["type"], refused["code"], refused["field"]) == ("error", code, field)
        assert (await socket.ask("ping"))["type"] == "pong"


async def test_a_personal_token_reaches_what_its_scopes_name(
    address: str, http: httpx.AsyncClient, ada: Person
) -> None:
    form = {"name": "watch", "scopes": ["tasks:read"]}
    token = (await http.post("/api/v1/tokens", json=form, headers=ada.headers)).json()["data"]["token"]
    async with socket_of(address, Person(ada.id, ada.email, ada.session, token)) as socket:
        await socket.subscribe("tasks")
        for channel in ("jobs", "presence:team"):
            assert (await socket.ask("subscribe", channel=channel))["code"] == "insufficient_scope"


async def test_it_ends_with_the_session(address: str, admin: Admin, ada: Person) -> None:
    async with socket_of(address, ada) as socket:
        admin.execute("delete from auth.sessions where id = %s", (ada.session,))
        code, said = await socket.end()
        assert (code, [message["code"] for message in said]) == (4401, ["session_ended"])


async def test_it_ends_with_the_token_unless_a_fresh_one_is_shown(
    address: str, settings: Settings, ada: Person, bob: Person
) -> None:
    short = claims(settings, ada.id, ada.session)
    short["exp"] = short["iat"] + 4  # within which a busy machine opens the connection
    brief = Person(ada.id, ada.email, ada.session, sign(settings, short))
    async with socket_of(address, brief) as ending, socket_of(address, brief) as renewed:
        refused = await renewed.ask("authenticate", token=bob.token)
        assert (refused["type"], refused["code"]) == ("error", "invalid_token")
        assert (await renewed.ask("authenticate", token=ada.token))["type"] == "authenticated"
        code, said = await ending.end()
        assert (code, [message["code"] for message in said]) == (4401, ["token_expired"])
        assert (await renewed.ask("ping"))["type"] == "pong"
