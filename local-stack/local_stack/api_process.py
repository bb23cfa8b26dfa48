"""The API as a child: uvicorn with reload, in a process group of its own, so that all of it can be ended."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from local_stack import processes
from local_stack.configuration import ROOT
from local_stack.errors import StartError
from local_stack.parent_death import signal_on_parent_death

APPLICATION = "api_main.main:app"
GRACE_SECONDS = 3  # for open connections, such as event streams, when the API is told to stop
CLOCK_SECONDS = 5.0  # between the note of a start and the kernel's own
OK = 200


def check_port(host: str, port: int) -> None:
    """Fail in one sentence where the API could not listen."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise StartError(f"Port {port} of {host} cannot be used: {error.strerror}; set PORT to another one.") from None


class ApiProcess:
    """A running API, and the record of it by which the next start finds what a `kill -9` left over."""

    def __init__(self, host: str, port: int, record: Path, application: str = APPLICATION) -> None:
        self._host, self._port, self._record = host, port, record
        self._application = application
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, environment: dict[str, str]) -> None:
        """Start uvicorn and return at once; `answers` tells when it is there."""
        where = ["--host", self._host, "--port", str(self._port)]
        how = ["--reload", "--reload-dir", "api-main", "--timeout-graceful-shutdown", str(GRACE_SECONDS)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", self._application, *where, *how],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=signal_on_parent_death(signal.SIGTERM),  # noqa: PLW1509  there is one thread
        )
        group = {"group": self._process.pid, "started": time.time()}
        self._record.write_text(json.dumps(group), encoding="utf-8")

    def exit_code(self) -> int | None:
        """Return uvicorn's exit code once it has ended."""
        return self._process.poll() if self._process else None

    def answers(self, path: str) -> bool:
        """Tell whether GET of a path is answered with 200."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)  # noqa: S104
        connection = http.client.HTTPConnection(host, self._port, timeout=2)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def stop(self) -> None:
        """Ask the API to stop, and end what has not stopped in time."""
        if self._process is None:
            return
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_SECONDS + 2)
        _end(processes.find(_in_group(self._process.pid)))
        self._process.wait()
        self._record.unlink(missing_ok=True)

    def stop_leftover(self) -> None:
        """End the API of an earlier start in this data directory that nobody stopped."""
        try:
            record = json.loads(self._record.read_text(encoding="utf-8"))
            group, started = int(record["group"]), float(record["started"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return
        _end(_survivors(group, started))
        self._record.unlink(missing_ok=True)


def _survivors(group: int, started: float) -> list[processes.Process]:
    """Return what is left of a process group, unless its number belongs to somebody else by now."""
    leader = processes.family(group)[:1]
    if leader and abs(leader[0].create_time() - started) > CLOCK_SECONDS:
        return []
    in_group = _in_group(group)
    return processes.find(lambda process: in_group(process) and _is_uvicorn(process.cmdline()))


def _is_uvicorn(command: list[str]) -> bool:
    return "uvicorn" in command or any("multiprocessing" in part for part in command)  # the reloader's child


def _in_group(group: int) -> Callable[[processes.Process], bool]:
    return lambda process: os.getpgid(process.pid) == group


def _end(members: list[processes.Process]) -> None:
    for number, seconds in ((signal.SIGTERM, GRACE_SECONDS + 1.0), (signal.SIGKILL, 3.0)):
        for member in members:
            processes.signal(member, number)
        if processes.wait_gone(members, seconds):
            return
