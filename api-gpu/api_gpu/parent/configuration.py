"""What the processes are told by their environment. Read without pydantic, which alone outweighs the parent."""

import os
from collections.abc import Mapping
from typing import NamedTuple, Self


class UnusableSetting(Exception):
    """A variable's value cannot be used. The message is one sentence."""


class ProcessSettings(NamedTuple):
    """Where to listen, when to sleep, and how long anything may take (seconds).

    Attributes:
        idle_seconds: without work for so long, the server exits; 0: it never sleeps, and there is no parent.
        start_seconds: what a server may take until it is ready.
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
        given = {name: value for name, value in environment.items() if value}
        default = cls()
        return cls(
            host=given.get("GPU_HOST", default.host),
            port=int(_number(given, "GPU_PORT", default.port, most=65_535)),
            idle_seconds=_number(given, "IDLE_SECONDS", default.idle_seconds),
            start_seconds=_number(given, "GPU_START_SECONDS", default.start_seconds, least=0.1),
            stall_seconds=_number(given, "GPU_STALL_SECONDS", default.stall_seconds, least=0.1),
            drain_seconds=_number(given, "GPU_DRAIN_SECONDS", default.drain_seconds),
            log_format=given.get("LOG_FORMAT", default.log_format),
        )


def _number(given: Mapping[str, str], name: str, unset: float, *, least: float = 0, most: float = 86_400) -> float:
    try:
        value = float(given.get(name, unset))
    except ValueError:
        raise UnusableSetting(f"{name} is not a number.") from None
    if not least <= value <= most:
        raise UnusableSetting(f"{name} is not between {least} and {most}.")
    return value
