"""What is told of every statement: its time, a span where somebody traces, a line of log where it was slow.

Texts of statements hold `$1` or `%(name)s` where a parameter goes. Parameters are never shown, nor is anything quoted.
"""

import re
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any

import structlog
from opentelemetry.trace import SpanKind

from api_main.core.metrics import SLOW_STATEMENTS, STATEMENT_SECONDS
from api_main.core.timings import DATABASE, Step
from service_wire import tracing

log = structlog.get_logger()

READER, SESSION = "reader", "session"  # the two doors
LONGEST_TEXT = 2000
QUOTED = re.compile(r"'(?:[^']|'')*'")
SPACE = re.compile(r"\s+")

_SECONDS = {door: STATEMENT_SECONDS.labels(door) for door in (READER, SESSION)}


class Observed(Step):
    """Statements while they run: `with Observed(…):`. A class, for a generator would cost twice as much."""

    __slots__ = ("_door", "_slow", "_texts")

    def __init__(self, door: str, texts: Iterable[Any], slow_seconds: float | None) -> None:
        """`texts` are statements in any form that psycopg takes, or a `Query` each."""
        self._door = door
        self._texts = texts
        self._slow = slow_seconds
        super().__init__(DATABASE)

    def _new_span(self) -> AbstractContextManager[None]:
        return tracing.span("query", SpanKind.CLIENT, **self._attributes())

    def _add_up(self, seconds: float, kind: type[BaseException] | None) -> None:
        super()._add_up(seconds, kind)
        _SECONDS[self._door].observe(seconds)
        if self._slow is not None and seconds >= self._slow:
            self._tell(seconds, kind)

    def _tell(self, seconds: float, kind: type[BaseException] | None) -> None:
        SLOW_STATEMENTS.labels(self._door).inc()
        failure = {} if kind is None else {"error": kind.__name__}
        milliseconds = round(seconds * 1000, 2)
        log.warning("slow_query", door=self._door, ms=milliseconds, statements=list(map(shown, self._texts)), **failure)

    def _attributes(self) -> dict[str, str]:
        return {"db_system_name": "postgresql", "db_query_text": "; ".join(map(shown, self._texts))}


def shown(text: Any) -> str:
    """A statement as it may be shown."""
    text = getattr(text, "sql", text)
    plain = text if isinstance(text, str) else text.decode() if isinstance(text, bytes) else type(text).__name__
    return QUOTED.sub("'?'", SPACE.sub(" ", plain).strip())[:LONGEST_TEXT]
