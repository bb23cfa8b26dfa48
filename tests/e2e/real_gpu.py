"""The real api-gpu, the way `./scripts/dev` starts it: its parent and its engine, on the CPU."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local_stack import processes
from local_stack.gpu_process import GpuProcess
from tests.patience import PATIENCE

ANY_PORT = 0
IDLE_SECONDS = 300.0


class RealGpu:
    """A running api-gpu, which sleeps until it is called."""

    def __init__(self, data: Path, cache: Path) -> None:
        self._process = GpuProcess(data, ANY_PORT, IDLE_SECONDS)
        with self._process.prepare():
            self.url = self._process.url
            self.key_file = data / "gpu_signing_key.json"
            own = {"DEVICE": "cpu", "CACHE_DIR": str(cache), "LOG_LEVEL": "WARNING"}
            self._process.start({**os.environ, **own})

    @property
    def servers(self) -> list[processes.Process]:
        """The server; none while it sleeps."""
        return self._family[1:]

    @property
    def _family(self) -> list[processes.Process]:
        assert self._process.pid is not None
        return processes.family(self._process.pid)

    def kill_server(self) -> None:
        """As the kernel does when memory runs out."""
        servers = self.servers
        for server in servers:
            processes.signal(server, signal.SIGKILL)
        processes.wait_gone(servers, PATIENCE)

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """It takes connections, and nothing happens on them."""
        family = self._family
        for member in family:
            processes.signal(member, signal.SIGSTOP)
        try:
            yield
        finally:
            for member in family:
                processes.signal(member, signal.SIGCONT)

    def stop(self) -> None:
        self._process.stop()
