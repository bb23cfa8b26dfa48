"""How long the parts of a request take, for `Server-Timing` (https://www.w3.org/TR/server-timing/)."""

import time
from contextlib import AbstractContextManager
from contextvars import ContextVar
from types import TracebackType

from service_wire import tracing

AUTH, LIMITS, DATABASE = "auth", "limits", "db"


class Timings:
    """Seconds of one request, by the parts in which they were spent."""

    __slots__ = ("is_for_caller", "parts")

    def __init__(self) -> None:
        self.parts = {AUTH: 0.0, LIMITS: 0.0, DATABASE: 0.0}
        self.is_for_caller = False
        """Whether somebody is known to be asking. Strangers are told nothing: how long the database works on a sign-in
        could tell whether there is an account."""

    def header(self, total: float) -> bytes:
        """Durations in milliseconds, and nothing but durations."""
        auth, limits, database = self.parts.values()
        milliseconds = (auth * 1000, limits * 1000, database * 1000, total * 1000)
        return b"auth;dur=%.2f, limits;dur=%.2f, db;dur=%.2f, total;dur=%.2f" % milliseconds


current_timings: ContextVar[Timings | None] = ContextVar("current_timings", default=None)
"""Those of the request that is being answered, if it is one."""


def tell_caller() -> None:
    """It is known who is asking: they may see how long the parts took."""
    if (timings := current_timings.get()) is not None:
        timings.is_for_caller = True


class Step:
    """A part of a request: its time is added up, and it is a span where somebody traces."""

    __slots__ = ("_part", "_span", "_started")

    def __init__(self, part: str) -> None:
        self._part = part
        self._span = self._new_span() if tracing.is_on() else None

    def _new_span(self) -> AbstractContextManager[None]:
        return tracing.span(self._part)

    def __enter__(self) -> None:
        if self._span is not None:
            self._span.__enter__()
        self._started = time.perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._add_up(time.perf_counter() - self._started, kind)
        if self._span is not None:
            self._span.__exit__(kind, error, trace)

    def _add_up(self, seconds: float, kind: type[BaseException] | None) -> None:  # noqa: ARG002 - for those who tell it
        if (timings := current_timings.get()) is not None:
            timings.parts[self._part] += seconds
