"""Servers that do not start, or that die, and parents that are killed."""

import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from local_stack import processes
from tests.gpu_parent.conftest import NewParent
from tests.gpu_parent.running import Parent, authorization, head, wait_until
from tests.ports import free_port

CALLERS = 20


@pytest.mark.parametrize("trouble", ["exits", "hangs"])
def test_while_the_server_cannot_start_callers_are_told_so_at_once(new_parent: NewParent, trouble: str) -> None:
    parent = new_parent(GPU_START_SECONDS="1")
    parent.trouble(trouble)
    assert parent.port
    with ThreadPoolExecutor(CALLERS) as callers:
        answers = list(callers.map(lambda _number: parent.call(), range(CALLERS)))
    assert {answer.status for answer in answers} == {503}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers)
    assert parent.starts == 1
    assert parent.call("/health", {}, method="GET").status == 200
    assert parent.call(headers={}).status == 401


def test_a_server_that_cannot_start_is_tried_less_and_less_often(new_parent: NewParent) -> None:
    parent = new_parent(FIRST_BACKOFF="0.2")
    parent.trouble("exits")
    began, calls = time.monotonic(), 0
    while parent.starts < 3:
        assert parent.call().status == 503
        calls += 1
    assert time.monotonic() - began >= 0.6  # 0.2 seconds, then 0.4
    assert calls > 3


def test_what_is_put_right_starts_again(new_parent: NewParent) -> None:
    parent = new_parent(FIRST_BACKOFF="0.2")
    parent.trouble("exits")
    assert parent.call().status == 503
    parent.trouble("")
    wait_until(lambda: parent.call().status == 200, "it starts once the backoff is over")


def test_keys_that_are_no_keys_are_a_server_that_cannot_start(new_parent: NewParent) -> None:
    parent = new_parent(SERVICE_TOKEN_KEYS="[]")
    assert parent.call().status == 503
    parent.says("JWK set must be a JSON object")


def test_a_program_that_is_not_there_is_a_server_that_cannot_start(new_parent: NewParent) -> None:
    parent = new_parent(SERVER="/nowhere/python")
    assert parent.call().status == 503
    assert parent.call("/health", {}, method="GET").status == 200


def test_a_server_killed_in_the_middle_of_its_work_takes_only_that_with_it(new_parent: NewParent) -> None:
    parent = new_parent()
    server = processes.Process(parent.call().pid)
    with parent.connect() as victim:
        victim.sendall(head("/work?seconds=60"))
        wait_until(lambda: _has_arrived(parent), "the work has begun")
        processes.signal(server, signal.SIGKILL)
        assert _rest(victim) == b""
    assert parent.call().pid != server.pid
    parent.says("died")


def test_a_server_that_hangs_is_replaced_and_one_that_only_works_long_is_not(new_parent: NewParent) -> None:
    parent = new_parent(GPU_START_SECONDS="2")
    wait_until(lambda: _answers(parent), "a start may be slow here")
    patient = parent.call("/work?seconds=2.2", authorization("/work"))
    assert patient.status == 200
    with parent.connect() as victim:
        victim.sendall(head("/work?blocks=3600"))
        assert _rest(victim) == b""
    parent.says("hangs")
    wait_until(lambda: _answers(parent), "another one serves")
    assert parent.call().pid != patient.pid


def _has_arrived(parent: Parent) -> bool:
    return parent.call().status == 200  # a later connection has been served


def _rest(connection: socket.socket) -> bytes:
    try:
        return connection.recv(4096)
    except ConnectionError:
        return b""


@pytest.mark.parametrize("trouble", ["", "hangs"])
def test_no_server_outlives_a_parent_that_is_killed(new_parent: NewParent, trouble: str) -> None:
    parent = new_parent()
    parent.trouble(trouble)
    with parent.connect() as connection:
        connection.sendall(head())
        wait_until(lambda: parent.starts == 1, "the server starts")
        if not trouble:
            parent.says("awake")
        children = parent.children
        assert len(children) == 1
        parent.process.kill()
        parent.process.wait()
    assert processes.wait_gone(children, 30)


def test_sigterm_lets_the_server_finish_and_leaves_nothing(new_parent: NewParent) -> None:
    parent = new_parent()
    parent.call()
    (server,) = parent.children
    with ThreadPoolExecutor(1) as caller:
        answer = caller.submit(parent.call, "/work?seconds=0.5", authorization("/work"))
        wait_until(lambda: _connections(server) > 0, "the work has begun")
        assert parent.stop() == 0
        assert answer.result().status == 200
    assert processes.wait_gone([server], 30)


def _connections(server: processes.Process) -> int:
    return sum(connection.status == "ESTABLISHED" for connection in server.net_connections())


def test_sigterm_tells_those_who_wait_to_ask_elsewhere(new_parent: NewParent) -> None:
    parent = new_parent()
    parent.trouble("hangs")
    with ThreadPoolExecutor(1) as caller:
        answer = caller.submit(parent.call)
        wait_until(lambda: parent.starts == 1, "the server starts")
        assert parent.stop() == 0
        assert answer.result().status == 503
        assert answer.result().headers["retry-after"] == "1"


def test_a_drain_has_an_end(new_parent: NewParent) -> None:
    parent = new_parent(GPU_DRAIN_SECONDS="0.3")
    with parent.connect() as connection:
        connection.sendall(head("/work?seconds=3600"))
        parent.says("awake")
        children = parent.children
        assert parent.stop() == 0
    assert processes.wait_gone(children, 30)


def test_as_process_1_it_reaps_children_that_it_never_had(new_parent: NewParent) -> None:
    parent = new_parent(SUBREAPER="yes")
    parent.trouble("leaves children")
    assert parent.call().status == 200
    wait_until(lambda: len(parent.children) == 1, "the orphans are gone, and are no zombies")


def test_without_a_time_to_sleep_the_server_is_alone(new_parent: NewParent) -> None:
    port = free_port()
    parent = new_parent(IDLE_SECONDS="0", GPU_PORT=str(port))
    parent.port = port
    wait_until(lambda: _answers(parent), "it serves")
    assert parent.call().pid == parent.process.pid
    assert parent.children == []
    assert parent.stop() == -signal.SIGTERM  # which as a container's process 1 means 0


def _answers(parent: Parent) -> bool:
    try:
        return parent.call().status == 200
    except ConnectionError:
        return False
