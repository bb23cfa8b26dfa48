"""What a connection may do, and what happens to one that does more; the others do not notice."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import psycopg
import pytest
from websockets.exceptions import InvalidStatus

from api_main.core.settings import Settings
from api_main.events import connection, socket_router, stream, wire
from api_main.events.metrics import FOLLOWERS
from api_main.main import create_app
from tests.conftest import NewPerson
from tests.events.client import EVENTS, follow
from tests.events.socket_client import open_socket, socket_of
from tests.patience import PATIENCE, eventually
from tests.people import Person
from tests.serving import serve
from tests.tasks.client import TasksClient

Admin = psycopg.Connection[Any]


async def test_whoever_says_nothing_is_sent_away(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_router, "AUTHENTICATION_SECONDS", 0.1)
    async with open_socket(address) as socket:
        code, said = await socket.end()
        assert (code, [message["code"] for message in said]) == (4408, ["unauthenticated"])


async def test_a_person_has_so_many_connections_and_no_more(address: str, ada: Person, bob: Person) -> None:
    async with socket_of(address, ada), socket_of(address, ada), socket_of(address, ada):
        async with open_socket(address) as one_more:
            await one_more.send("authenticate", token=ada.token)
            code, said = await one_more.end()
            assert (code, [message["code"] for message in said]) == (4429, ["too_many_streams"])
        async with socket_of(address, bob):
            pass


async def test_a_connection_has_so_many_subscriptions_and_no_more(
    address: str, new_person: NewPerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "MOST_SUBSCRIPTIONS", 2)
    person = new_person(raw_app_meta_data='{"channels": ["a"]}')
    async with socket_of(address, person) as socket:
        await socket.subscribe("tasks")
        await socket.subscribe("jobs")
        await socket.subscribe("tasks")  # once more is none more
        assert (await socket.ask("subscribe", channel="presence:a"))["code"] == "too_many_subscriptions"


async def test_a_flood_of_messages_ends_the_connection(address: str, ada: Person) -> None:
    async with socket_of(address, ada) as socket:
        for _ in range(200):
            await socket.send("ping")
        code, said = await socket.end()
    assert code == 4429
    assert [message["type"] for message in said[:-1]] == ["pong"] * (len(said) - 1)
    assert said[-1]["code"] == "too_many_requests"


@pytest.mark.parametrize(
    ("message", "code", "error"),
    [("x" * (wire.LARGEST_MESSAGE + 1), 1009, "body_too_large"), (b"{}", 1003, "unsupported_media_type")],
    ids=["too large", "binary"],
)
async def test_what_is_no_message_ends_the_connection(
    address: str, ada: Person, message: str | bytes, code: int, error: str
) -> None:
    async with socket_of(address, ada) as socket:
        await socket.connection.send(message)
        assert await socket.end() == (code, [{"type": "error", "code": error, **_rest_of(error)}])


def _rest_of(error: str) -> dict[str, Any]:
    texts = {"body_too_large": "The message is too large.", "unsupported_media_type": "Send JSON, as text."}
    return {"message": texts[error], "field": None}


async def test_whoever_does_not_read_is_dropped_and_the_others_do_not_wait(
    address: str, adas: TasksClient, admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Far more than fits into the buffers between the two."""
    monkeypatch.setattr(wire, "SEND_SECONDS", 0.5)
    person = adas.person
    plain: dict[str, Any] = {"compression": None}  # it would make next to nothing of them
    async with socket_of(address, person, max_queue=1, **plain) as slow, socket_of(address, person, **plain) as quick:
        await slow.subscribe("tasks")
        await quick.subscribe("tasks")
        both, heard = FOLLOWERS._value.get(), list[str]()
        for number in range(20):
            admin.execute(
                "insert into public.tasks (owner_id, title, description)"
                " select %s, %s, repeat('x', 10000) from generate_series(1, 100)",
                (person.id, str(number)),
            )
            heard += [(await quick.next())["task"]["title"] for _ in range(100)]
        assert heard == [str(number) for number in range(20) for _ in range(100)]
        await eventually(lambda: FOLLOWERS._value.get() < both)  # before it begins to read
        code, said = await slow.end()
        assert code == 4410
        assert said[-1]["code"] == "too_slow"
        ids = [message["id"] for message in said[:-1]]
        assert ids == list(range(1, len(ids) + 1))
        assert len(ids) < 2000
    async with socket_of(address, person, close_timeout=0.1) as again:
        await again.subscribe("tasks", after=ids[-1])
        assert (await again.next())["id"] == ids[-1] + 1


async def test_handshakes_are_limited_like_requests(live_settings: Settings) -> None:
    once = dict.fromkeys(live_settings.rate_limits, "1/hour")
    with serve(create_app(live_settings.model_copy(update={"rate_limits": once}))) as url:
        async with open_socket(url):
            pass
        with pytest.raises(InvalidStatus) as refused:
            async with open_socket(url):
                pass
    assert refused.value.response.status_code == 429
    assert int(refused.value.response.headers["Retry-After"]) > 0


async def test_an_event_stream_that_nobody_reads_ends_with_its_time(
    live_settings: Settings, ada: Person, admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "GRACE_SECONDS", 0.2)
    brief = live_settings.model_copy(update={"live_connection_seconds": 3.0, "live_connections_per_user": 1})
    with serve(create_app(brief)) as url:
        async with httpx.AsyncClient(base_url=url, timeout=PATIENCE) as http, follow(http, ada) as unread:
            for _ in range(20):
                admin.execute(
                    "insert into public.tasks (owner_id, title, description)"
                    " select %s, 'x', repeat('x', 10000) from generate_series(1, 100)",
                    (ada.id,),
                )

            async def has_room() -> bool:
                async with httpx.AsyncClient(base_url=url, timeout=PATIENCE) as other:
                    answer = await other.send(other.build_request("GET", EVENTS, headers=ada.headers), stream=True)
                    await answer.aclose()
                    return answer.status_code == 200

            assert not await has_room()
            await eventually(has_room)
            with pytest.raises(httpx.RemoteProtocolError):
                await unread.rest()


async def test_a_stream_ends_whose_client_sends_more_than_a_request_may_have(
    http: httpx.AsyncClient, live_settings: Settings, ada: Person
) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(live_settings.max_body_bytes // 65536 + 1):
            yield b"x" * 65536

    async with http.stream("GET", EVENTS, headers=ada.headers, content=body()) as answer, asyncio.timeout(PATIENCE):
        assert [line async for line in answer.aiter_lines() if line.startswith("event: ")][-1] == "event: end"


async def test_what_is_said_is_json_for_everybody(address: str, ada: Person) -> None:
    async with socket_of(address, ada) as socket:
        assert await socket.ask("ping", ref='é"\u0001ü') == {"type": "pong", "ref": 'é"\u0001ü'}
