"""Who wakes the server, and who does not."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from service_wire.service_token import ServiceTokenIssuer, generate_key
from tests.gpu_parent.conftest import NewParent
from tests.gpu_parent.running import Parent, authorization, head

MEGABYTES = 1 << 20
RESIDENT = 30 * MEGABYTES
STRANGER = ServiceTokenIssuer({**generate_key(), "kid": "somebody-else"})
REFUSED = {
    "none": {},
    "basic": {"Authorization": "Basic Z3B1OmdwdQ=="},
    "not a token": {"Authorization": "Bearer let-me-in"},
    "a stranger's": {"Authorization": f"Bearer {STRANGER.issue('POST /work')}"},
    "another request's": authorization("/other"),
    "another method's": authorization("/work", "GET"),
}


@pytest.fixture(scope="module")
def asleep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parent]:
    """A parent that no test of this file wakes."""
    parent = Parent(tmp_path_factory.mktemp("asleep"), is_weighed=True)
    yield parent
    parent.end()


def test_fifty_cold_callers_at_once_start_one_server_and_all_are_answered_by_it(new_parent: NewParent) -> None:
    parent = new_parent()
    parent.trouble("slow")
    assert parent.port
    with ThreadPoolExecutor(50) as callers:
        answers = list(callers.map(lambda _number: parent.call(body=b"x" * 100_000), range(50)))
    assert {answer.status for answer in answers} == {200}
    assert {answer.body.split()[1] for answer in answers} == {"100000"}
    assert len({answer.pid for answer in answers}) == 1
    assert parent.starts == 1


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_token_is_refused_and_wakes_nothing(asleep: Parent, case: str) -> None:
    answer = asleep.call(headers=REFUSED[case], body=b"x" * 3_000_000)
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert json.loads(answer.body)["error"]
    assert asleep.starts == 0


@pytest.mark.parametrize("path", ["/health", "/health/live", "/v2/health/live", "/v2/health/ready", "/metrics"])
def test_health_and_metrics_are_answered_asleep_without_a_token(asleep: Parent, path: str) -> None:
    assert asleep.call(path, {}, method="GET").status == 200
    assert asleep.starts == 0


def test_what_is_no_request_is_refused(asleep: Parent) -> None:
    for sent, status in ((b"HELO gpu\r\n\r\n", b"400"), (b"GET /" + b"x" * 20_000, b"431")):
        with asleep.connect() as connection:
            connection.sendall(sent)
            assert connection.recv(4096).startswith(b"HTTP/1.1 " + status)
    assert asleep.starts == 0


def test_the_metrics_count_wake_ups_and_idle_exits(new_parent: NewParent) -> None:
    parent = new_parent(IDLE_SECONDS="0.05")
    parent.call()
    parent.says("asleep", times=2)
    metrics = parent.call("/metrics", {}, method="GET").body.splitlines()
    assert {"api_gpu_wake_ups_total 1.0", "api_gpu_idle_exits_total 1.0"} <= set(metrics)


def test_asleep_it_is_small_also_after_it_has_been_awake(new_parent: NewParent) -> None:
    parent = new_parent(IDLE_SECONDS="0.05", COVERAGE_PROCESS_START="", COVERAGE_PROCESS_CONFIG="")
    parent.call(headers=REFUSED["a stranger's"])
    for times in (2, 3):
        assert parent.call(body=b"x" * MEGABYTES).status == 200
        parent.says("asleep", times)
    assert parent.children == []
    assert parent.resident_bytes < RESIDENT


def test_who_is_refused_does_not_keep_it_awake(new_parent: NewParent) -> None:
    parent = new_parent(IDLE_SECONDS="0.3")
    parent.call()
    while parent.log.read_text().count("asleep") < 2:
        parent.call("/refused", REFUSED["a stranger's"])
        parent.call("/health", {}, method="GET")
        time.sleep(0.02)
    assert parent.starts == 1


def test_several_requests_in_one_packet_wake_it_and_are_all_answered(new_parent: NewParent) -> None:
    parent = new_parent()
    with parent.connect() as connection:
        connection.sendall(head() * 3)
        received = b""
        while received.count(b"HTTP/1.1 200") < 3:
            received += connection.recv(4096)
    assert parent.starts == 1
