"""A real Redis, on a port of its own, that can be killed and comes back on the same."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from tests.patience import wait_until
from tests.ports import free_port

PASSWORD = "redis-password"


class LocalRedis:
    """A `redis-server` that keeps nothing on disk."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, unless it runs."""
        if self._process is not None and self._process.poll() is None:
            return
        program = shutil.which("redis-server")
        assert program is not None, "redis-server is missing: apt-get install redis-server"
        options = {"port": self.port, "bind": "127.0.0.1", "save": "", "requirepass": PASSWORD, "dir": self._directory}
        arguments = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
        self._process = subprocess.Popen([program, *arguments], stdout=subprocess.DEVNULL)
        wait_until(self._answers)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def command(self, *words: Any) -> Any:
        """What Redis answers to an administrator."""
        with redis.Redis.from_url(self.url) as client:
            return client.execute_command(*words)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None
        try:
            return bool(self.command("PING"))
        except redis.ConnectionError:
            return False


@contextmanager
def running_redis(directory: Path) -> Iterator[LocalRedis]:
    server = LocalRedis(directory)
    server.start()
    try:
        yield server
    finally:
        server.kill()
