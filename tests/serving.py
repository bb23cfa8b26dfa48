"""The application on a real socket, served by a real uvicorn in a thread of this process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from tests.patience import PATIENCE, wait_until


@contextmanager
def serve(app: ASGIApp, port: int = 0) -> Iterator[str]:
    """Serve on a loopback port, a free one unless it is given; the value is its base URL."""
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{_port(server)}"
    finally:
        server.should_exit = True
        thread.join(PATIENCE)


def _port(server: uvicorn.Server) -> int:
    wait_until(lambda: server.started)
    port: int = server.servers[0].sockets[0].getsockname()[1]
    return port
