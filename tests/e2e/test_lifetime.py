"""Time limits and the end: nothing hangs, nothing is cut off, nothing is left behind."""

import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from api_main.core.settings import Settings
from tests.e2e.conftest import REQUEST_SECONDS, Hold
from tests.e2e.server import GRACE_SECONDS, Server, running
from tests.patience import PATIENCE, wait_until
from tests.people import Person

Waiting = Callable[[], int]
TASKS = "/api/v1/tasks"
ROLES_OWN_SECONDS = 8.0  # the statement_timeout of `authenticated`


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_that_takes_too_long_is_a_504_and_its_query_is_cancelled(
    server: Server, ada: Person, hold_tasks: Hold, waiting: Waiting, method: str
) -> None:
    with hold_tasks():
        started = time.monotonic()
        body = {"title": "late"} if method == "POST" else None
        answer = server.request(method, TASKS, json=body, headers=ada.headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (504, "timeout")
        assert REQUEST_SECONDS * 0.9 < time.monotonic() - started < ROLES_OWN_SECONDS
        wait_until(lambda: waiting() == 0, ROLES_OWN_SECONDS - REQUEST_SECONDS - 1)
    assert server.get(TASKS, headers=ada.headers).json()["data"] == []


def test_a_server_full_of_slow_requests_lives_and_ends_them_all(
    server: Server, ada: Person, hold_tasks: Hold, waiting: Waiting
) -> None:
    limits = httpx.Limits(max_connections=40)
    with hold_tasks(), httpx.Client(timeout=PATIENCE, limits=limits) as http, ThreadPoolExecutor(30) as pool:
        slow = [pool.submit(http.get, server.url + TASKS, headers=ada.headers) for _ in range(30)]
        wait_until(lambda: waiting() > 0)
        assert http.get(f"{server.url}/health/live").status_code == 200
        answers = [answer.result() for answer in slow]
        assert {answer.status_code for answer in answers} <= {503, 504}
        assert max(answer.elapsed.total_seconds() for answer in answers) < ROLES_OWN_SECONDS
        wait_until(lambda: waiting() == 0, ROLES_OWN_SECONDS - REQUEST_SECONDS - 1)
    assert server.get(TASKS, headers=ada.headers).status_code == 200


def test_requests_in_flight_are_finished_and_new_ones_refused(
    settings: Settings, tmp_path: Path, ada: Person, hold_tasks: Hold, waiting: Waiting
) -> None:
    with running(settings, tmp_path) as server, ThreadPoolExecutor(4) as pool:
        with hold_tasks():
            reads = [pool.submit(server.get, TASKS, headers=ada.headers) for _ in range(3)]
            write = pool.submit(server.post, TASKS, json={"title": "the last"}, headers=ada.headers)
            wait_until(lambda: waiting() == 4)
            server.process.terminate()
            wait_until(lambda: refuses(server))
        assert [answer.result().status_code for answer in reads] == [200, 200, 200]
        assert write.result().status_code == 201
        code = server.process.wait(GRACE_SECONDS / 2)
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
        client.get(TASKS, timeout=PATIENCE)
        server.process.terminate()
        assert server.process.wait(GRACE_SECONDS / 2) in {0, -signal.SIGTERM}
        assert "Traceback" not in server.written()
