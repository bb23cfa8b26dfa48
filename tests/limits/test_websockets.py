"""A WebSocket is counted when it is opened, and one too many is refused before it is."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.types import Message
from websockets.exceptions import InvalidStatus

from api_main.core.settings import Settings
from api_main.main import create_app
from tests.events.socket_client import open_socket
from tests.limits.stage import limited
from tests.serving import serve


@pytest.fixture
def address(settings: Settings) -> Iterator[str]:
    with serve(create_app(limited(settings, limits={"default": "2/hour"}))) as url:
        yield url


async def test_one_too_many_is_answered_429_in_our_form(address: str) -> None:
    for _ in range(2):
        async with open_socket(address):
            pass
    with pytest.raises(InvalidStatus) as refused:
        await open_socket(address).__aenter__()
    answer = refused.value.response
    assert answer.status_code == 429
    assert answer.headers["RateLimit-Limit"] == "2"
    assert answer.headers["RateLimit-Remaining"] == "0"
    assert answer.headers["Retry-After"] == answer.headers["RateLimit-Reset"]
    error = json.loads(answer.body)["error"]
    assert error["code"] == "too_many_requests"
    assert error["request_id"]


async def test_a_server_that_cannot_say_so_just_refuses(strict_app: FastAPI) -> None:
    def handshake() -> dict[str, Any]:
        path = "/api/v1/ws"
        where = {"path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "subprotocols": []}
        untrusted = [(b"origin", b"https://elsewhere.example")]  # which the route itself refuses with a bare close
        return {"type": "websocket", "headers": untrusted, "client": ("192.0.2.1", 1), "scheme": "ws", **where}

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    for _ in range(4):
        await strict_app(handshake(), receive, send)
    assert [message["type"] for message in sent] == ["websocket.close"] * 4
    assert [message["code"] for message in sent] == [1000, 1000, 1000, 1013]
