"""api-gpu as a child: asleep until the API needs it, and known to the API alone."""

import json
import os
import socket
import sys
from pathlib import Path

from api_gpu.__main__ import BACKLOG
from api_gpu.parent.server_process import LISTEN_FD
from local_stack.background_process import GRACE_SECONDS, BackgroundProcess
from local_stack.data_directory import keep_secret
from local_stack.errors import StartError
from local_stack.postgres import LOOPBACK
from service_wire.service_token import generate_key, public_keys

PREFERRED_PORT = 8001


class GpuProcess(BackgroundProcess):
    """A running api-gpu, with a key pair of its own in the data directory.

    It listens on GPU_PORT; where none is asked for, on 8001 or any free port.
    """

    def __init__(self, data: Path, port: int | None, idle_seconds: float) -> None:
        super().__init__(data / "gpu.json", "api_gpu")
        self._data, self._wanted_port, self._idle_seconds = data, port, idle_seconds
        self._private, self._public = data / "gpu_signing_key.json", data / "service_token_keys.json"

    def prepare(self) -> socket.socket:
        """Take the port, and make the keys where there are none. The socket is the caller's to close.

        Raises:
            StartError: the port is somebody else's.
        """
        self._listener = self._listen()
        key = json.loads(keep_secret(self._private, lambda: json.dumps(generate_key(), indent=2)))
        self._public.write_text(json.dumps(public_keys(key), indent=2), encoding="utf-8")

        return self._listener

    def _listen(self) -> socket.socket:
        ports = (PREFERRED_PORT, 0) if self._wanted_port is None else (self._wanted_port,)
        for port in ports:
            try:
                return socket.create_server((LOOPBACK, port), backlog=BACKLOG)
            except OSError as error:
                reason = f"Port {port} of {LOOPBACK} cannot be used: {os.strerror(error.errno or 0)}"
        raise StartError(f"{reason}; set GPU_PORT to another one.")

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self._listener.getsockname()[1]}"

    @property
    def callers_environment(self) -> dict[str, str]:
        """What the API is told."""
        return {
            "GPU_URL": self.url,
            "GPU_SIGNING_KEY_FILE": str(self._private),
            "IDLE_SECONDS": str(self._idle_seconds),
        }

    def start(self, environment: dict[str, str]) -> None:
        """Start it and return at once: it costs next to nothing until somebody calls."""
        defaults = {
            "MODELS_DIR": str(self._data / "models"),
            "CACHE_DIR": str(self._data / "cache"),
            "GPU_DRAIN_SECONDS": str(GRACE_SECONDS),
        }
        own = {
            LISTEN_FD: str(self._listener.fileno()),
            "IDLE_SECONDS": str(self._idle_seconds),
            "SERVICE_TOKEN_KEYS": "",
            "SERVICE_TOKEN_KEYS_FILE": str(self._public),
        }
        self.spawn([sys.executable, "-m", "api_gpu"], defaults | environment | own, [self._listener.fileno()])
