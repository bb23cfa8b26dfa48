"""`python -m api_gpu`: the parent, or with IDLE_SECONDS=0 the server alone."""

import os
import socket
import sys

from api_gpu.parent.configuration import ProcessSettings, UnusableSetting
from api_gpu.parent.server_process import LISTEN_FD
from api_gpu.parent.wake_up import WakeUp

BACKLOG = 4096  # the kernel cuts it to what it allows


def listen(host: str, port: int) -> socket.socket:
    """Open the listening socket, unless whoever started us has done so; port 0 is any free one."""
    if LISTEN_FD in os.environ:
        return socket.socket(fileno=int(os.environ.pop(LISTEN_FD)))
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return socket.create_server(address[:2], family=family, backlog=BACKLOG)


def main() -> int:
    """Run until SIGTERM; return the exit code."""
    try:
        settings = ProcessSettings.read()
        listener = listen(settings.host, settings.port)
    except (UnusableSetting, OSError) as error:
        print(f"api-gpu cannot start: {error}", file=sys.stderr)
        return 1
    if settings.idle_seconds:
        return WakeUp(listener, settings).run()
    from api_gpu.server import create, serve_alone  # noqa: PLC0415  all that the parent is without

    serve_alone(create, listener, settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
