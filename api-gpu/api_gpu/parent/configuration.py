"""What the processes are told by their environment. Read without pydantic, which alone outweighs the parent."""

import os
from collections.abc import Mapping
from typing import Any, NamedTuple, Self


class UnusableSetting(Exception):
    """A variable's value cannot be used. The message is one sentence."""


class ProcessSettings(NamedTuple):
    """Where to listen, when to sleep, and how long anything may take (seconds).

    Attributes:
        idle_seconds: without work for so long, the server exits; 0: it never sleeps, and there is no parent.
        start_seconds: what a server may take until it is ready, and from then on from one sign of life to the next.
        stall_seconds: what a caller may take to send a request, or to read an answer.
        drain_seconds: what open requests are given when everything is told to stop.
        log_format: of the parent's lines: auto, json or console.
    """

    host: str = "127.0.0.1"
    port: int = 8001
    idle_seconds: float = 300.0
    start_seconds: float = 60.0
    stall_seconds: float = 30.0
    drain_seconds: float = 35.0
    log_format: str = "auto"

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the environment; what is empty counts as unset.

        Raises:
            UnusableSetting: a number is none, or out of range.
        """
        given = {name: environment[name] for name in VARIABLES if environment.get(name)}
        values: dict[str, Any] = {
            VARIABLES[name]: text if name in TEXTS else _number(name, text) for name, text in given.items()
        }
        return cls(**values)


VARIABLES = {
    "GPU_HOST": "host",
    "GPU_PORT": "port",
    "IDLE_SECONDS": "idle_seconds",
    "GPU_START_SECONDS": "start_seconds",
    "GPU_STALL_SECONDS": "stall_seconds",
    "GPU_DRAIN_SECONDS": "drain_seconds",
    "LOG_FORMAT": "log_format",
}
TEXTS = {"GPU_HOST", "LOG_FORMAT"}
BOUNDS = {"GPU_PORT": (0, 65_535), "GPU_START_SECONDS": (0.1, 86_400), "GPU_STALL_SECONDS": (0.1, 86_400)}


def _number(name: str, text: str) -> float:
    least, most = BOUNDS.get(name, (0, 86_400))
    try:
        value = int(text) if name == "GPU_PORT" else float(text)
    except ValueError:
        raise UnusableSetting(f"{name} is not a number") from None
    if not least <= value <= most:
        raise UnusableSetting(f"{name} is not between {least} and {most}")
    return value
