"""What only shows on a socket: keep-alive, pipelines, slow and rude clients, bodies and headers of any size."""

import json
import re
import time

import httpx
import pytest

from tests.e2e.server import Server, read_all
from tests.patience import PATIENCE, wait_until
from tests.people import Person

LIVE = b"GET /health/live HTTP/1.1\r\nHost: api.test\r\n"
CLOSE = b"Connection: close\r\n\r\n"


def post_headers(person: Person, *more: str) -> bytes:
    lines = ["POST /api/v1/tasks HTTP/1.1", "Host: api.test", f"Authorization: Bearer {person.token}"]
    return "\r\n".join([*lines, "Content-Type: application/json", "Connection: close", *more, "", ""]).encode()


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def body_of(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


def test_one_connection_serves_many_requests(server: Server, ada: Person) -> None:
    with httpx.Client(base_url=server.url, headers=ada.headers, timeout=PATIENCE) as client:
        ports = set()
        for number in range(5):
            created = client.post("/api/v1/tasks", json={"title": f"Task {number}"})
            assert created.status_code == 201
            ports.add(created.extensions["network_stream"].get_extra_info("client_addr"))
            assert client.get(created.headers["Location"]).status_code == 200
            assert client.get("/nope").status_code == 404
        assert len(ports) == 1


def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    requests = [LIVE + f"X-Request-ID: pipelined-{number}\r\n".encode() for number in range(8)]
    answer = server.exchange(b"\r\n".join(requests) + CLOSE)
    assert answer.count(b"HTTP/1.1 200 OK") == 8
    found = re.findall(rb"x-request-id: pipelined-(\d)", answer)
    assert found == [b"%d" % number for number in range(8)]


def test_a_client_that_writes_byte_by_byte_is_served(server: Server) -> None:
    with server.connect() as connection:
        for position in range(len(LIVE + CLOSE)):
            connection.sendall((LIVE + CLOSE)[position : position + 1])
            time.sleep(0.001)
        assert status_of(read_all(connection)) == 200


def test_a_client_that_never_sends_its_body_gets_an_answer(server: Server, ada: Person) -> None:
    with server.connect() as connection:
        connection.sendall(post_headers(ada, "Content-Length: 100") + b'{"title"')
        answer = read_all(connection)
    assert status_of(answer) == 504
    assert json.loads(body_of(answer))["error"]["code"] == "timeout"


def test_a_client_that_leaves_disturbs_nobody(server: Server, ada: Person) -> None:
    before = len(server.written())
    for _ in range(20):
        with server.connect() as connection:
            connection.sendall(post_headers(ada, "Content-Length: 100") + b'{"title"')
        with server.connect() as connection:
            connection.sendall(
                f"GET /api/v1/tasks HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ada.token}\r\n\r\n".encode()
            )
    assert server.get("/api/v1/tasks", headers=ada.headers).json()["data"] == []
    assert "Traceback" not in server.written()[before:]


@pytest.mark.parametrize("size", [100_000, 1_000_000])
def test_a_token_of_any_size_is_refused(server: Server, size: int) -> None:
    """By us, or by the server before us."""
    with server.connect() as connection:
        try:
            connection.sendall(
                b"GET /api/v1/tasks HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + b"x" * size + b"\r\n" + CLOSE
            )
            answer = read_all(connection)
        except (ConnectionResetError, BrokenPipeError):
            answer = b"HTTP/1.1 400 closed while we were still talking"
    assert 400 <= status_of(answer) < 500


def test_a_body_that_is_declared_too_large_is_refused_unread(server: Server, ada: Person) -> None:
    with server.connect() as connection:
        connection.sendall(post_headers(ada, "Content-Length: 2000000", "Expect: 100-continue"))
        answer = read_all(connection)
    assert status_of(answer) == 413  # and no "100 Continue" before it
    assert json.loads(body_of(answer))["error"]["code"] == "body_too_large"


def test_a_chunked_body_is_refused_when_it_is_over_the_limit(server: Server, ada: Person) -> None:
    chunks = (b" " * 100_000 for _ in range(12))
    headers = {**ada.headers, "Content-Type": "application/json"}
    answer = server.post("/api/v1/tasks", content=chunks, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")


def test_a_chunked_body_within_the_limit_is_taken(server: Server, ada: Person) -> None:
    answer = server.exchange(
        post_headers(ada, "Transfer-Encoding: chunked") + b'a\r\n{"title": \r\n4\r\n"x"}\r\n0\r\n\r\n'
    )
    assert status_of(answer) == 201


def test_head_has_the_headers_of_get_and_no_body(server: Server, ada: Person) -> None:
    path = server.post("/api/v1/tasks", json={"title": "x"}, headers=ada.headers).headers["Location"]
    token = f"Authorization: Bearer {ada.token}\r\n"
    answer = server.exchange(f"HEAD {path} HTTP/1.1\r\nHost: x\r\n{token}".encode() + CLOSE)
    get = server.get(path, headers=ada.headers)
    assert status_of(answer) == 200
    assert f"content-length: {len(get.content)}".encode() in answer
    assert b'etag: "1"' in answer
    assert body_of(answer) == b""


def test_options_names_the_methods(server: Server) -> None:
    answer = server.request("OPTIONS", "/api/v1/tasks")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD, POST")


@pytest.mark.parametrize("request_line", [b"GET", b"\x00\x01\x02", b"GET / HTTP/9.9", b"G\xc3\xa9T / HTTP/1.1"])
def test_what_is_no_http_is_refused(server: Server, request_line: bytes) -> None:
    answer = server.exchange(request_line + b"\r\nHost: x\r\n" + CLOSE)
    assert status_of(answer) == 400


def test_nothing_says_what_serves_here(server: Server) -> None:
    assert "Server" not in server.get("/health/live").headers


def test_production_logs_json_lines_alone(server: Server) -> None:
    server.get("/health/live", headers={"X-Request-ID": "in-production"})
    wait_until(lambda: "in-production" in server.written())  # the line is written after the answer
    events = [json.loads(line) for line in server.written().splitlines()]
    assert any(event.get("request_id") == "in-production" and event["status"] == 200 for event in events)


def test_nobody_is_believed_about_their_address_who_was_not_said_to_be_a_proxy(server: Server) -> None:
    """Not even a process of the same machine, which uvicorn would trust by itself."""
    liar = "198.51.100.66"
    server.get("/health/live", headers={"X-Forwarded-For": liar, "Forwarded": f"for={liar}"})
    assert '"address": "127.0.0.1"' in server.written()
    assert liar not in server.written()
