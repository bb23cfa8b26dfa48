"""The server: uvicorn around the application, on sockets that it is given.

`python -m api_gpu.server` is what the parent starts; `serve_alone` is the same without a parent.
"""

import os
import socket
from collections.abc import Callable
from typing import NamedTuple

from starlette.types import ASGIApp

from api_gpu.parent.configuration import ProcessSettings
from api_gpu.parent.server_process import HANDOVER_FD, IDLE_EXITS, LISTEN_FD, WAKE_UPS
from api_gpu.serving.doorkeeper import Admits, wait_for_admission
from api_gpu.serving.parent_death import die_with_parent
from service_wire.service_token import ServiceTokenRefused, ServiceTokenVerifier, subject_of

Work = Callable[[], int]
"""How much is being done or waits to be done besides the open requests."""


class Application(NamedTuple):
    app: ASGIApp
    work: Work


def serve(
    app: ASGIApp, work: Work, listener: socket.socket, handover: socket.socket | None, settings: ProcessSettings
) -> None:
    """Serve until SIGTERM; with a parent at the other end of `handover`, also until there is no work any more."""
    from api_gpu.serving.activity import Activity  # noqa: PLC0415  uvicorn, which the doorkeeper needs not
    from api_gpu.serving.server import Server  # noqa: PLC0415

    Server(Activity(app, work), settings, listener, handover).run()


def serve_under_parent(admits: Admits, create: Callable[[], Application]) -> None:
    """Be the doorkeeper, and with the first good token the server."""
    die_with_parent()
    listener = socket.socket(fileno=int(os.environ.pop(LISTEN_FD)))
    handover = socket.socket(fileno=int(os.environ.pop(HANDOVER_FD)))
    if wait_for_admission(handover, admits):
        serve(*create(), listener, handover, ProcessSettings.read())


def serve_alone(create: Callable[[], Application], listener: socket.socket, settings: ProcessSettings) -> None:
    """Be nothing but the server."""
    serve(*create(), listener, None, settings)


def token_check(keys: ServiceTokenVerifier) -> Admits:
    """What tells good tokens from bad ones."""

    def admits(method: str, target: str, token: str) -> bool:
        try:
            keys.verify(token, subject_of(method, target))
        except ServiceTokenRefused:
            return False
        return True

    return admits


def create() -> Application:
    """The application of `api_gpu.main`, and the work of its engine."""
    from api_gpu import metrics  # noqa: PLC0415  here begins what is heavy
    from api_gpu.main import from_environment  # noqa: PLC0415

    app = from_environment()
    metrics.WAKE_UPS.inc(int(os.environ.get(WAKE_UPS, "0")))
    metrics.IDLE_EXITS.inc(int(os.environ.get(IDLE_EXITS, "0")))
    return Application(app, lambda: app.state.engine.in_flight)


def main() -> None:
    """What the parent starts."""
    from api_gpu.settings import Settings  # noqa: PLC0415

    try:
        keys = Settings().verifier
    except ValueError:
        create()  # says what is wrong with the settings, and exits
        raise
    serve_under_parent(token_check(keys), create)


if __name__ == "__main__":
    main()
