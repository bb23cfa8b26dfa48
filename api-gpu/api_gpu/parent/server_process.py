"""The server as the parent sees it: a child at the other end of a socket pair, and how far it has come.

Upwards go single bytes (`Report`); downwards first one line per request whose token is in question, then connections
(SCM_RIGHTS), and after the last of them `ALL`. The child's end closes with the child, and ours with us.
"""

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum

from api_gpu.parent.heads import Head

LISTEN_FD = "API_GPU_LISTEN_FD"
HANDOVER_FD = "API_GPU_HANDOVER_FD"
WAKE_UPS = "API_GPU_WAKE_UPS"  # so far, for the server's metrics
IDLE_EXITS = "API_GPU_IDLE_EXITS"
COMMAND = (sys.executable, "-m", "api_gpu.server")
SCM_MAX_FD = 253  # descriptors in one message (unix(7))
SOME, ALL = b"s", b"a"


class State(Enum):
    CHECKING = "checking"  # tokens, with nothing of the server loaded
    STARTING = "starting"
    SERVING = "serving"
    LEAVING = "leaving"


class Report:
    """What the child says."""

    REFUSED = b"n"
    ADMITTED = b"y"
    READY = b"R"
    ALIVE = b"."  # from then on, time and again
    KEPT = b"K"  # with connections between two requests, for whoever serves next
    LEAVING = b"L"


class ServerProcess:
    """One run of the server, with the listening socket inherited."""

    def __init__(self, listener: socket.socket, command: tuple[str, ...], environment: Mapping[str, str]) -> None:
        self.state = State.CHECKING
        self.deadline: float | None = None
        self.socket, theirs = socket.socketpair()
        self.socket.setblocking(False)
        with theirs:
            descriptors = {LISTEN_FD: listener.fileno(), HANDOVER_FD: theirs.fileno()}
            for descriptor in descriptors.values():
                os.set_inheritable(descriptor, True)  # all others close by themselves (PEP 446)
            variables = {**environment, **{name: str(number) for name, number in descriptors.items()}}
            self.pid = os.posix_spawn(command[0], command, variables)

    def ask(self, head: Head) -> None:
        """Have a token checked. One question at a time."""
        with contextlib.suppress(OSError):  # it has just gone: its end says so
            self.socket.send(f"{head.method} {head.target} {head.token}\n".encode())

    def hand_over(self, connections: Sequence[socket.socket]) -> None:
        """Pass on everybody who has waited. The caller closes its own ends."""
        with contextlib.suppress(OSError):
            for start in range(0, len(connections), SCM_MAX_FD):
                numbers = [connection.fileno() for connection in connections[start : start + SCM_MAX_FD]]
                socket.send_fds(self.socket, [SOME], numbers)
            self.socket.send(ALL)

    def reports(self) -> Iterator[tuple[bytes, list[socket.socket]]]:
        """What has been said since the last time, each with the connections that came with it."""
        with contextlib.suppress(OSError):
            while True:
                report, numbers, _, _ = socket.recv_fds(self.socket, 1, SCM_MAX_FD)
                if not report:
                    return
                yield report, [socket.socket(fileno=number) for number in numbers]

    def signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)
