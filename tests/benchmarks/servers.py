"""The programs that are measured, each a process of its own on a free port of loopback."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.dataset import PUBLIC_URL
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60.0
# One worker, and no line of log per request, whoever it is; the rest as our image has it.
UVICORN = ["--loop", "uvloop", "--no-access-log", "--log-level", "warning", "--no-server-header", "--no-proxy-headers"]
SETTINGS = {
    "ENVIRONMENT": "production",
    "PUBLIC_URL": PUBLIC_URL,
    "LOG_LEVEL": "WARNING",
    "RATE_LIMIT_ENABLED": "false",
}

OURS = "api-main"
ORDINARY = "ordinary"
APPLICATIONS = {
    OURS: ["api_main.main:app", "--http", "api_main.core.connection:Connection"],  # as its image starts it
    ORDINARY: ["tests.benchmarks.ordinary:app", "--http", "httptools"],
}


@dataclass(frozen=True)
class Server:
    """A program that has been started: several can come up at the same time."""

    port: int
    process: subprocess.Popen[bytes]

    def wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise RuntimeError(f"{self.process.args!r} did not start")


@contextmanager
def api(candidate: str, database_url: str, signing_keys: str) -> Iterator[Server]:
    """One worker of a candidate."""
    port = free_port()
    arguments = ["-m", "uvicorn", *APPLICATIONS[candidate], "--app-dir", str(ROOT), "--port", str(port), *UVICORN]
    settings = {**SETTINGS, "DATABASE_URL": database_url, "JWT_SIGNING_KEYS": signing_keys}
    with _running(arguments, port, settings) as server:
        yield server


@contextmanager
def instant() -> Iterator[Server]:
    """A server that answers at once."""
    port = free_port()
    with _running(["-m", "tests.benchmarks.instant", str(port)], port) as server:
        yield server


@contextmanager
def proxy(target: int, delay: float) -> Iterator[Server]:
    """The way to a port of loopback, longer by so many seconds in each direction."""
    port = free_port()
    with _running(["-m", "tests.benchmarks.proxy", str(port), str(target), str(delay)], port) as server:
        yield server


@contextmanager
def _running(arguments: list[str], port: int, settings: dict[str, str] | None = None) -> Iterator[Server]:
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())  # without an `.env`
        environment = {"PATH": os.defpath, "PYTHONPATH": str(ROOT), **(settings or {})}
        process = stack.enter_context(subprocess.Popen([sys.executable, *arguments], cwd=folder, env=environment))
        stack.callback(process.terminate)
        yield Server(port, process)
