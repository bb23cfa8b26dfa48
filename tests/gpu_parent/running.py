"""A parent that runs, and ways to call it."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from local_stack import processes
from service_wire.service_token import ServiceTokenIssuer, generate_key, public_keys, subject_of
from tests.measured import run_module

SECONDS = 60.0  # for anything that should be a matter of moments
KEY = generate_key()
ISSUER = ServiceTokenIssuer(KEY)
PORT = re.compile(r"asleep port=(\d+)")
DEFAULTS = {
    "GPU_PORT": "0",
    "IDLE_SECONDS": "300",
    "LOG_FORMAT": "console",
    "SERVICE_TOKEN_KEYS": json.dumps(public_keys(KEY)),
}


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: str

    @property
    def pid(self) -> int:
        """Which server answered."""
        return int(self.body.split()[0])


def authorization(target: str = "/work", method: str = "POST") -> dict[str, str]:
    return {"Authorization": f"Bearer {ISSUER.issue(subject_of(method, target))}"}


def head(target: str = "/work", length: int = 0) -> bytes:
    """The head of a request with a good token."""
    token = authorization(target)["Authorization"]
    lines = [f"POST {target} HTTP/1.1", "Host: gpu", f"Authorization: {token}", f"Content-Length: {length}"]
    return "\r\n".join([*lines, "", ""]).encode()


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.01)


class Parent:
    """One run of the parent, with a stand-in for the server."""

    def __init__(self, directory: Path, *, is_weighed: bool, **environment: str) -> None:
        """One that is weighed carries nothing that tells what tests reach."""
        self.directory = directory
        self.log = directory / "log"
        self.trouble("")
        (directory / "starts").touch()
        own = {**os.environ, **DEFAULTS, "STAND_IN": str(directory), **environment}
        module = "tests.gpu_parent." + ("parent" if own["IDLE_SECONDS"] != "0" else "stand_in")
        command = [sys.executable, *(["-m", module] if is_weighed else run_module(module))]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, env=own, stdout=log, stderr=log)

    @cached_property
    def port(self) -> int:
        self.says("asleep")
        return int(PORT.findall(self.log.read_text())[0])

    @property
    def starts(self) -> int:
        """How often the server has been started."""
        return len((self.directory / "starts").read_text(encoding="ascii").splitlines())

    @property
    def children(self) -> list[processes.Process]:
        return processes.family(self.process.pid)[1:]

    @property
    def resident_bytes(self) -> int:
        return int(processes.Process(self.process.pid).memory_info().rss)

    def trouble(self, what: str) -> None:
        """Say what goes wrong from the next start on."""
        (self.directory / "trouble").write_text(what, encoding="ascii")

    def says(self, what: str, times: int = 1) -> None:
        """Wait for a line of the log."""
        wait_until(lambda: self.log.read_text().count(what) >= times, f"{what}\n{self.log.read_text()}")

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS)

    def call(
        self, target: str = "/work", headers: dict[str, str] | None = None, body: bytes = b"", method: str = "POST"
    ) -> Answer:
        """Call on a connection of its own, by default with a good token."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        try:
            connection.request(method, target, body, authorization(target) if headers is None else headers)
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read().decode())
        finally:
            connection.close()

    def stop(self) -> int:
        """SIGTERM, and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(SECONDS)

    def end(self) -> None:
        """Whatever became of the test: leave no process."""
        self.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(1)
        members = processes.family(self.process.pid)
        for member in members:
            processes.signal(member, signal.SIGKILL)
        self.process.wait()
        processes.wait_gone(members, SECONDS)
