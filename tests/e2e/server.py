"""The API as a process of its own on a real socket, started the way its container starts it."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from api_main.core.settings import Settings
from tests.patience import PATIENCE, wait_until
from tests.ports import free_port

LOOPBACK = "127.0.0.1"
ROOT = Path(__file__).resolve().parents[2]
CONNECTION = "api_main.core.connection:Connection"
GRACE_SECONDS = 60  # that uvicorn gives to requests in flight


@dataclass
class Server:
    """A running API."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        return httpx.request(method, self.url + path, timeout=PATIENCE, **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def connect(self) -> socket.socket:
        return socket.create_connection((LOOPBACK, self.port), timeout=PATIENCE)

    def exchange(self, request: bytes) -> bytes:
        """Send bytes and read until the server closes the connection."""
        with self.connect() as connection:
            connection.sendall(request)
            return read_all(connection)

    def written(self) -> str:
        return self.log.read_text(encoding="utf-8")


def read_all(connection: socket.socket) -> bytes:
    answer = b""
    while part := connection.recv(65536):
        answer += part
    return answer


@contextmanager
def running(settings: Settings, directory: Path, **changes: Any) -> Iterator[Server]:
    """Start the API with these settings, its sockets served by `connection`, and kill it afterwards."""
    connection = changes.pop("connection", CONNECTION)
    port = free_port()
    log = directory / "api.log"
    command = [sys.executable, "-m", "uvicorn", "api_main.main:app", f"--host={LOOPBACK}", f"--port={port}"]
    how = [
        f"--http={connection}",
        "--no-access-log",
        "--no-server-header",
        "--no-proxy-headers",
        f"--timeout-graceful-shutdown={GRACE_SECONDS}",
        "--ws-max-size=131072",
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, *how], env=_environment(settings, changes), stdout=output, stderr=output, cwd=directory
        )
    server = Server(process, port, log)
    try:
        _wait_until_it_answers(server)
        yield server
    finally:
        process.kill()
        process.wait()


def _environment(settings: Settings, changes: dict[str, Any]) -> dict[str, str]:
    chosen = {
        "database_url": settings.database_url,
        "jwt_signing_keys": settings.signing_keys,
        "public_url": settings.public_url,
        "environment": "production",
        "metrics_port": 0,
        **changes,
    }
    return {**os.environ, "PYTHONPATH": str(ROOT), **{name.upper(): str(value) for name, value in chosen.items()}}


def _wait_until_it_answers(server: Server) -> None:
    def is_ready() -> bool:
        assert server.process.poll() is None, server.written()
        try:
            return server.get("/health/ready").status_code == 200
        except httpx.TransportError:
            return False

    wait_until(is_ready)
