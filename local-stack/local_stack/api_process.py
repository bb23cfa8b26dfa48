"""The API as a child: uvicorn with reload."""

import http.client
import socket
import sys
from pathlib import Path

from local_stack.background_process import GRACE_SECONDS, BackgroundProcess
from local_stack.errors import StartError

APPLICATION = "api_main.main:app"
CONNECTION = "api_main.core.connection:Connection"
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


class ApiProcess(BackgroundProcess):
    """A running API."""

    def __init__(self, host: str, port: int, record: Path, application: str = APPLICATION) -> None:
        super().__init__(record, "uvicorn")
        self._host, self._port = host, port
        self._application = application

    def start(self, environment: dict[str, str]) -> None:
        """Start uvicorn and return at once; `answers` tells when it is there."""
        # Whose word is taken for the client's address, TRUSTED_PROXIES says; uvicorn would take that of this machine.
        where = ["--host", self._host, "--port", str(self._port), "--no-proxy-headers", "--http", CONNECTION]
        how = ["--reload", "--reload-dir", "api-main", "--timeout-graceful-shutdown", str(GRACE_SECONDS)]
        self.spawn([sys.executable, "-m", "uvicorn", self._application, *where, *how], environment)

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
