"""Structured logs: JSON lines in production, readable lines on a terminal. Secrets never get this far."""

import logging
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

from api_main.core.settings import Settings
from service_wire import tracing

request_facts: ContextVar[Mapping[str, Any]] = ContextVar("request_facts", default=MappingProxyType({}))
"""What every event of a request says: its id and the client's address."""


def _add_request_facts(_logger: Any, _method: str, event: EventDict) -> EventDict:
    return {**request_facts.get(), **event}


def _add_trace(_logger: Any, _method: str, event: EventDict) -> EventDict:
    trace = tracing.trace_id()
    return event if trace is None else {"trace_id": trace, **event}


SHARED: tuple[Processor, ...] = (
    _add_request_facts,
    _add_trace,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def configure_logging(settings: Settings) -> None:
    """Send our own events and those of every library through the same renderer, to standard output."""
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and settings.is_production)
    render: Processor = structlog.processors.JSONRenderer() if as_json else _console()
    tail: list[Processor] = [structlog.processors.format_exc_info, render] if as_json else [render]
    level = logging.getLevelNamesMapping()[settings.log_level]
    structlog.configure(
        processors=[*SHARED, *tail],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(),
        cache_logger_on_first_use=settings.environment != "test",  # a cached logger cannot be captured
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=SHARED,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *tail],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    logging.getLogger("uvicorn.access").disabled = True  # ours knows the request id
    for name in ("httpx", "procrastinate"):
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    logging.getLogger("opentelemetry.exporter").setLevel(logging.ERROR)  # not each attempt, while a collector is away


def _console() -> structlog.dev.ConsoleRenderer:
    """Tracebacks without local variables: those hold tokens, and bodies of any size."""
    return structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
