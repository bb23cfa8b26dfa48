"""Time limits and the end: nothing hangs, nothing is cut off, nothing is left behind."""

import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from api_main.core.settings import Settings
from tests.e2e.conftest import Hold
from tests.e2e.server import Server, running
from tests.people import Person

Waiting = Callable[[], int]
TASKS = "/api/v1/tasks"


def wait_for(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_that_takes_too_long_is_a_504_and_its_query_is_cancelled(
    server: Server, ada: Person, hold_tasks: Hold, waiting: Waiting, method: str
) -> None:
    with hold_tasks():
        started = time.monotonic()
        body = {"title": "late"} if method == "POST" else None
        answer = httpx.request(method, server.url + TASKS, json=body, headers=ada.headers, timeout=10)
        assert (answer.status_code, answer.json()["error"]["code"]) == (504, "timeout")
        assert 0.9 < time.monotonic() - started < 3
        wait_for(lambda: waiting() == 0)
    assert httpx.get(server.url + TASKS, headers=ada.headers).json()["data"] == []


def test_a_server_full_of_slow_requests_still_says_that_it_lives(server: Server, ada: Person, hold_tasks: Hold) -> None:
    with hold_tasks(), ThreadPoolExecutor(30) as pool:
        slow = [pool.submit(httpx.get, server.url + TASKS, headers=ada.headers, timeout=10) for _ in range(30)]
        time.sleep(0.2)
        assert httpx.get(f"{server.url}/health/live", timeout=1).status_code == 200
        assert {answer.result().status_code for answer in slow} <= {503, 504}
    assert httpx.get(server.url + TASKS, headers=ada.headers).status_code == 200


def test_requests_in_flight_are_finished_and_new_ones_refused(
    settings: Settings, tmp_path: Path, ada: Person, hold_tasks: Hold, waiting: Waiting
) -> None:
    with running(settings, tmp_path) as server, ThreadPoolExecutor(4) as pool:
        with hold_tasks():
            reads = [pool.submit(httpx.get, server.url + TASKS, headers=ada.headers, timeout=10) for _ in range(3)]
            form = {"title": "the last"}
            write = pool.submit(httpx.post, server.url + TASKS, json=form, headers=ada.headers, timeout=10)
            wait_for(lambda: waiting() == 4)
            server.process.terminate()
            wait_for(lambda: refuses(server))
        assert [answer.result().status_code for answer in reads] == [200, 200, 200]
        assert write.result().status_code == 201
        started = time.monotonic()
        code = server.process.wait(10)
        assert time.monotonic() - started < 3
    # uvicorn ends as the signal would have ended it, which supervisors take for a clean stop; as PID 1 it returns 0.
    assert code in {0, -signal.SIGTERM}
    assert "Traceback" not in server.written()
    assert '"event": "stopped"' in server.written()


def refuses(server: Server) -> bool:
    try:
        server.connect().close()
    except ConnectionRefusedError:
        return True
    return False


def test_an_idle_server_ends_at_once_though_clients_keep_their_connections(
    settings: Settings, tmp_path: Path, ada: Person
) -> None:
    with running(settings, tmp_path) as server, httpx.Client(base_url=server.url, headers=ada.headers) as client:
        client.get(TASKS)
        started = time.monotonic()
        server.process.terminate()
        assert server.process.wait(10) in {0, -signal.SIGTERM}
        assert time.monotonic() - started < 2
        assert "Traceback" not in server.written()
