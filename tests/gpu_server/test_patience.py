"""Nothing is worked on that nobody waits for any more."""

import contextlib
import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from service_wire.service_token import DEADLINE_HEADER, ServiceTokenIssuer
from tests.gpu_server.caller import Caller
from tests.gpu_server.watched import Watched
from tests.patience import PATIENCE, wait_until

SLOW = "/v2/models/slow/infer"
FAST = "/v2/models/INT8/infer"
ONE = {"inputs": [{"name": "x", "datatype": "INT8", "shape": [1], "data": [1]}]}


@pytest.fixture
def connection(gpu_url: str) -> Iterator[socket.socket]:
    address = urlsplit(gpu_url)
    with socket.create_connection((address.hostname, address.port), timeout=PATIENCE) as made:
        yield made


def request(key: dict[str, Any], path: str, body: bytes, *, length: int | None = None) -> bytes:
    token = ServiceTokenIssuer(key).issue(f"POST {path}")
    head = f"POST {path} HTTP/1.1\r\nHost: gpu\r\nAuthorization: Bearer {token}\r\n"
    return f"{head}Content-Length: {length or len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize("how", ["close", "half-close", "reset"])
def test_work_is_withdrawn_when_its_caller_hangs_up(
    connection: socket.socket, engine: Watched, service_key: dict[str, Any], how: str
) -> None:
    withdrawn = engine.withdrawn
    connection.sendall(request(service_key, SLOW, b'{"inputs": []}'))
    wait_until(lambda: engine.waiting == 1)
    if how == "half-close":
        connection.shutdown(socket.SHUT_WR)
    elif how == "reset":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    if how != "half-close":
        connection.close()
    wait_until(lambda: engine.withdrawn == withdrawn + 1)
    assert engine.waiting == 0


def test_a_caller_that_goes_in_the_middle_of_its_body_starts_nothing(
    connection: socket.socket, engine: Watched, caller: Caller, service_key: dict[str, Any]
) -> None:
    connection.sendall(request(service_key, SLOW, b'{"inputs"', length=1000))
    connection.close()
    assert caller.post(FAST, json=ONE).status_code == 200
    assert len(engine.deadlines) == 1  # of the second alone


def test_the_answer_to_one_who_waits_does_not_depend_on_others(engine: Watched, caller: Caller) -> None:
    with contextlib.suppress(httpx.ReadTimeout):
        caller.post(SLOW, json={"inputs": []}, timeout=httpx.Timeout(PATIENCE, read=0.2))
    assert caller.post(FAST, json=ONE).status_code == 200
    wait_until(lambda: engine.waiting == 0)


def test_a_deadline_ends_the_wait(engine: Watched, caller: Caller) -> None:
    withdrawn = engine.withdrawn
    headers = {DEADLINE_HEADER: "1000"}  # enough to get to the engine with
    response = caller.post(SLOW, json={"inputs": []}, headers=headers)
    assert (response.status_code, response.json()) == (504, {"error": "The deadline has passed."})
    wait_until(lambda: engine.withdrawn == withdrawn + 1)


def test_a_deadline_ends_the_wait_for_a_body(
    connection: socket.socket, engine: Watched, service_key: dict[str, Any]
) -> None:
    whole = request(service_key, FAST, b"{", length=1000)
    connection.sendall(whole.replace(b"Host: gpu", f"{DEADLINE_HEADER}: 100\r\nHost: gpu".encode()))
    assert connection.recv(1000).startswith(b"HTTP/1.1 504 ")
    assert engine.deadlines == []


def test_the_engine_knows_the_deadline(engine: Watched, caller: Caller) -> None:
    caller.post(FAST, json=ONE, headers={DEADLINE_HEADER: "60000"})
    embedding = {"model": "text-embedding", "input": "x"}
    caller.post("/v1/embeddings", json=embedding, headers={DEADLINE_HEADER: "60000"})
    caller.post(FAST, json=ONE)
    first, second, third = engine.deadlines
    assert first is not None
    assert second is not None
    assert first <= second
    assert third is None


def test_a_deadline_that_has_passed_starts_nothing(engine: Watched, caller: Caller) -> None:
    response = caller.post(FAST, json=ONE, headers={DEADLINE_HEADER: "0"})
    assert response.status_code == 504
    assert engine.deadlines == []


def test_openais_clients_are_told_in_their_form(caller: Caller) -> None:
    response = caller.post("/v1/embeddings", json={}, headers={DEADLINE_HEADER: "0"})
    assert response.status_code == 504
    assert json.loads(response.content)["error"]["type"] == "server_error"


@pytest.mark.parametrize("header", ["soon", "-1", "1.5", "", "²"])
def test_a_deadline_is_a_number_of_milliseconds(caller: Caller, header: str) -> None:
    headers = [(DEADLINE_HEADER.encode(), header.encode())]
    response = caller.post(FAST, json=ONE, headers=headers)
    assert (response.status_code, DEADLINE_HEADER in response.json()["error"]) == (400, True)


def test_a_deadline_in_the_distant_future_is_one(caller: Caller) -> None:
    headers = {DEADLINE_HEADER: "9" * 100}
    assert caller.post(FAST, json=ONE, headers=headers).status_code == 200
