"""The slow: those who write a byte now and then, and those who do not read what they asked for."""

import contextlib
import re
import socket
import time

from local_stack.processes import Process
from tests.gpu_parent.conftest import NewParent
from tests.gpu_parent.running import SECONDS, head

STALL = 0.5
FULL = 50


def test_a_slow_writer_asleep_wakes_nobody_blocks_nobody_and_does_not_stay(new_parent: NewParent) -> None:
    parent = new_parent(GPU_STALL_SECONDS=str(STALL))
    with parent.connect() as slow:
        received = _trickle(slow, head())
        assert parent.starts == 0
    assert received.startswith(b"HTTP/1.1 408")


def _trickle(connection: socket.socket, request: bytes) -> bytes:
    """Send byte by byte until there is an answer."""
    connection.settimeout(0.05)
    for byte in request:
        with contextlib.suppress(TimeoutError):
            return connection.recv(4096)
        connection.send(bytes([byte]))
    raise AssertionError("all of it was taken")


def test_waiting_for_a_slow_writer_costs_no_processor_time(new_parent: NewParent) -> None:
    parent = new_parent()
    with parent.connect() as slow:
        slow.sendall(head()[:-1])
        time.sleep(0.2)
        before = _processor_seconds(parent.process.pid)
        time.sleep(0.5)
        assert _processor_seconds(parent.process.pid) - before < 0.15
        slow.sendall(b"\n")
        assert slow.recv(4096).startswith(b"HTTP/1.1 200")


def _processor_seconds(pid: int) -> float:
    return float(sum(Process(pid).cpu_times()[:2]))


def test_a_request_that_began_asleep_is_finished_awake(new_parent: NewParent) -> None:
    parent = new_parent()
    request = head("/work", 5) + b"hello"
    with parent.connect() as slow:
        slow.sendall(request[:30])
        assert parent.call().status == 200
        slow.sendall(request[30:] + head("/refused"))
        assert len(re.findall(rb"\r\n\r\n\d+ 5", _read_until(slow, b"HTTP/1.1 401"))) == 1
    assert parent.starts == 1


def test_a_slow_writer_awake_is_cut_off_and_the_server_sleeps(new_parent: NewParent) -> None:
    parent = new_parent(GPU_STALL_SECONDS=str(STALL), IDLE_SECONDS="0.1")
    with parent.connect() as slow:
        slow.sendall(head("/work", 1_000_000) + b"x")
        parent.says("awake")
        assert parent.call().status == 200
        assert _is_cut_off(slow)
    parent.says("asleep", times=2)


def test_a_slow_head_awake_is_cut_off_and_the_server_sleeps(new_parent: NewParent) -> None:
    parent = new_parent(GPU_STALL_SECONDS=str(STALL), IDLE_SECONDS="0.1")
    with parent.connect() as slow:
        slow.sendall(head() + head()[:50])
        parent.says("awake")
        assert slow.recv(4096).startswith(b"HTTP/1.1 200")
        assert _is_cut_off(slow)
    parent.says("asleep", times=2)


def test_a_slow_reader_is_cut_off_and_the_server_sleeps(new_parent: NewParent) -> None:
    parent = new_parent(GPU_STALL_SECONDS=str(STALL), IDLE_SECONDS="0.1")
    target = "/work?bytes=100000000"
    with parent.connect() as slow:
        slow.sendall(head(target))
        parent.says("awake")
        assert parent.call().status == 200
        parent.says("asleep", times=2)
        received = 0
        with contextlib.suppress(ConnectionError):
            while chunk := slow.recv(1 << 20):
                received += len(chunk)
        assert received < 100_000_000


def test_when_the_room_is_full_the_slow_make_way(new_parent: NewParent) -> None:
    parent = new_parent(MOST_WAITING=str(FULL))
    with contextlib.ExitStack() as open_connections:
        slow = [open_connections.enter_context(parent.connect()) for _number in range(FULL)]
        for connection in slow:
            connection.sendall(b"POST /work HTTP/1.1\r\n")
        assert parent.call().status == 200
        assert sum(_is_cut_off(connection, seconds=0.01) for connection in slow) == 1
    assert parent.starts == 1


def test_when_all_who_wait_want_the_server_the_others_wait_outside(new_parent: NewParent) -> None:
    parent = new_parent(MOST_WAITING="10")
    parent.trouble("slow")
    with contextlib.ExitStack() as open_connections:
        callers = [open_connections.enter_context(parent.connect()) for _number in range(50)]
        for caller in callers:
            caller.sendall(head())
        assert all(caller.recv(4096).startswith(b"HTTP/1.1 200") for caller in callers)
    assert parent.starts == 1


def _read_until(connection: socket.socket, what: bytes) -> bytes:
    received = b""
    while what not in received:
        received += connection.recv(4096)
    return received


def _is_cut_off(connection: socket.socket, seconds: float = SECONDS) -> bool:
    """Read what there is, up to the end or for so many seconds."""
    connection.settimeout(seconds)
    try:
        while connection.recv(4096):
            pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True
