"""Clients that drag out, overdo or abandon what they began: each comes to an end, and nobody else notices."""

import json
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import psycopg
import pytest

from api_main.core.connection import Connection, notice_absence
from api_main.core.settings import Settings
from local_stack import api_process
from tests.containers.dockerfile import read_stages
from tests.e2e.server import CONNECTION, LOOPBACK, ROOT, Server, read_all, running
from tests.e2e.test_sockets import CLOSE, LIVE, body_of, post_headers, status_of
from tests.patience import PATIENCE, wait_until
from tests.people import Person

CROWD = 10_000
DOCKERFILE = ROOT / "api-main" / "Dockerfile"
ENTRY = b"GET /api/v1/tasks HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture(scope="module")
def hasty(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("hasty")
    with running(
        settings, directory, connection="tests.e2e.hasty:Hasty", request_timeout=1.0, rate_limit_enabled=False
    ) as server:
        yield server


def refusal(answer: bytes) -> tuple[int, str]:
    """Status and code of an answer in our form, which is the last one on its connection."""
    assert b"\r\nconnection: close\r\n" in answer
    assert b"\r\nx-content-type-options: nosniff\r\n" in answer
    error = json.loads(body_of(answer))["error"]
    assert error["request_id"].encode() in answer.partition(b"\r\n\r\n")[0]
    return status_of(answer), error["code"]


def read_until_closed(connection: socket.socket) -> bytes:
    """As `read_all`, for a server that resets the connection in the end."""
    answer = b""
    with suppress(ConnectionResetError):
        while part := connection.recv(65536):
            answer += part
    return answer


def send_for_ever(connection: socket.socket, chunk: bytes) -> None:
    while True:
        connection.sendall(chunk)


def assert_serves(server: Server) -> None:
    assert server.get("/health/live").status_code == 200
    assert "Exception in ASGI" not in server.written()
    assert "internal_error" not in server.written()


@pytest.mark.parametrize("begun", [b"G", LIVE, LIVE + b"X-Slow: "], ids=["a letter", "some headers", "half a header"])
def test_a_head_that_never_ends_is_a_408(hasty: Server, begun: bytes) -> None:
    with hasty.connect() as connection:
        connection.sendall(begun)
        assert refusal(read_all(connection)) == (408, "head_timeout")
    assert_serves(hasty)


def test_letter_by_letter_gains_no_time(hasty: Server) -> None:
    with hasty.connect() as connection:
        connection.sendall(LIVE)
        connection.settimeout(0.1)
        answer = b""
        while not answer:
            connection.sendall(b"x")
            try:
                answer = connection.recv(65536)
            except TimeoutError:
                continue
        assert refusal(answer) == (408, "head_timeout")


def test_a_connection_on_which_nothing_is_said_is_closed(hasty: Server) -> None:
    with hasty.connect() as connection:
        assert read_all(connection) == b""


def test_the_second_request_of_a_connection_has_no_more_time_than_the_first(hasty: Server) -> None:
    with hasty.connect() as connection:
        connection.sendall(LIVE + b"\r\n" + LIVE)
        answer = read_all(connection)
    assert status_of(answer) == 200
    assert refusal(answer[answer.rindex(b"HTTP/1.1 ") :]) == (408, "head_timeout")


def test_half_a_connection_is_none(hasty: Server) -> None:
    """Whoever says that nothing will follow, in the middle of a head, is not waited for."""
    with hasty.connect() as connection:
        connection.sendall(LIVE)
        connection.shutdown(socket.SHUT_WR)
        assert read_until_closed(connection) == b""
    assert_serves(hasty)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (ENTRY + b"X-Bomb: " + b"x" * 1_000_000, (431, "head_too_large")),
        (ENTRY + b"x" * 200_000, (431, "head_too_large")),
        (ENTRY + b"X: y\r\n" * 20_000, (431, "head_too_large")),
        (ENTRY + b"X-Bomb: " + b"x" * 65_000 + b"\r\nY: " + b"y" * 2_000 + b"\r\n", (431, "head_too_large")),
        (b"GET /api/v1/tasks?q=" + b"x" * 20_000, (414, "url_too_long")),
        (b"GET /api/v1/tasks?" + b"a&" * 500_000, (414, "url_too_long")),
        (b"GET /" + b"%2e/" * 5_000 + b" HTTP/1.1\r\nHost: x\r\n", (414, "url_too_long")),
    ],
    ids=["one header", "a name", "many headers", "two headers", "a word", "parameters", "a path"],
)
def test_bombs_are_refused_before_they_are_whole(hasty: Server, head: bytes, expected: tuple[int, str]) -> None:
    with hasty.connect() as connection:
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(head + b"\r\n" + CLOSE)
        assert refusal(read_until_closed(connection)) == expected
    assert_serves(hasty)


def test_what_is_large_but_fits_is_taken(hasty: Server, ada: Person) -> None:
    token = f"Authorization: Bearer {ada.token}\r\n".encode()
    target = b"/api/v1/tasks?q=" + b"x" * 250 + b"&status=pending" * 4
    answer = hasty.exchange(
        b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n" + token + b"X: " + b"x" * 50_000 + b"\r\n" + CLOSE
    )
    assert status_of(answer) == 200


@pytest.mark.parametrize("depth", [1_000, 100_000])
@pytest.mark.parametrize(("left", "right"), [(b"[", b"]"), (b'{"title":', b"}")], ids=["lists", "objects"])
def test_json_of_any_depth_is_refused(hasty: Server, ada: Person, depth: int, left: bytes, right: bytes) -> None:
    body = left * depth + b"1" + right * depth
    for content in (body, b'{"title": %b}' % body):
        headers = {**ada.headers, "Content-Type": "application/json"}
        answer = hasty.post("/api/v1/tasks", content=content, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) in {
            (400, "bad_request"),
            (422, "validation_failed"),
        }
    assert_serves(hasty)


@pytest.mark.parametrize("declared", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
def test_a_body_that_stalls_is_a_504_and_its_connection_ends(hasty: Server, ada: Person, declared: str) -> None:
    with hasty.connect() as connection:
        connection.sendall(
            post_headers(ada, declared).replace(b"Connection: close", b"Connection: keep-alive") + b"5\r\n"
        )
        answer = read_until_closed(connection)
    assert status_of(answer) == 504
    assert json.loads(body_of(answer))["error"]["code"] == "timeout"
    assert_serves(hasty)


def test_a_body_that_never_ends_is_a_413_and_its_connection_ends(hasty: Server, ada: Person) -> None:
    with hasty.connect() as connection:
        head = post_headers(ada, "Transfer-Encoding: chunked").replace(b"Connection: close", b"Connection: keep-alive")
        connection.sendall(head)
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            send_for_ever(connection, chunk)
    assert_serves(hasty)


def test_a_body_that_never_ends_is_told_why(hasty: Server, ada: Person) -> None:
    with hasty.connect() as connection:
        head = post_headers(ada, "Transfer-Encoding: chunked").replace(b"Connection: close", b"Connection: keep-alive")
        connection.sendall(head + (b"10000\r\n" + b" " * 0x10000 + b"\r\n") * 17)
        answer = read_until_closed(connection)
    assert status_of(answer) == 413
    assert json.loads(body_of(answer))["error"]["code"] == "body_too_large"


def test_a_client_that_takes_nothing_of_its_answer_is_cut_off(
    hasty: Server, admin: psycopg.Connection[Any], ada: Person
) -> None:
    """After a request for more than all buffers on the way can hold; others are served meanwhile."""
    fill = "insert into public.tasks (owner_id, title, description) select %s, 'x', repeat('x', 8000)"
    admin.execute(f"{fill} from generate_series(1, 2500)".encode(), (ada.id,))
    with hasty.connect() as connection:
        token = f"Authorization: Bearer {ada.token}\r\n\r\n".encode()
        connection.sendall(b"GET /api/v1/tasks/export HTTP/1.1\r\nHost: x\r\n" + token)
        assert connection.recv(12) == b"HTTP/1.1 200"
        wait_until(lambda: '"path": "/api/v1/tasks/export"' in hasty.written())  # its line of log: it is over
        assert_serves(hasty)
        assert not read_until_closed(connection).endswith(b"0\r\n\r\n")


def test_the_kernel_is_told_to_notice_who_has_gone() -> None:
    with socket.socket() as connection:
        notice_absence(connection, Connection.stalled_seconds)
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000


@pytest.fixture
def room() -> Iterator[int]:
    """Room for so many connections in this process, once the server has been started with the usual 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < CROWD + 500:
        pytest.skip(f"this machine allows {hard} open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    yield CROWD + 500
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_ten_thousand_connections_are_served_and_given_back(settings: Settings, tmp_path: Path, room: int) -> None:
    with running(settings, tmp_path, connection="tests.e2e.hasty:Patient") as server, ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (room, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        process = psutil.Process(server.process.pid)
        before = process.num_fds()
        for _ in range(CROWD):
            crowd = stack.enter_context(socket.create_connection((LOOPBACK, server.port), timeout=PATIENCE))
            crowd.sendall(b"G")
        assert_serves(server)
        assert process.num_fds() > CROWD
        stack.close()
        assert_serves(server)
        wait_until(lambda: process.num_fds() < before + 50)


def test_a_websocket_is_opened_through_it(hasty: Server) -> None:
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    with hasty.connect() as connection:
        head = b"GET /api/v1/ws HTTP/1.1\r\nHost: x\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        connection.sendall(head + upgrade + b"\r\n")
        assert status_of(connection.recv(65536)) == 101


def test_every_way_to_start_the_api_serves_its_sockets_with_it() -> None:
    assert f"--http={CONNECTION}" in read_stages(DOCKERFILE)[-1].command
    assert api_process.CONNECTION == CONNECTION == f"{Connection.__module__}:{Connection.__name__}"
