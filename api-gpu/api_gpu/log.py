"""Structured logs: readable on a terminal, else JSON lines."""

import logging
import sys

import structlog
from structlog.typing import Processor

from api_gpu.settings import Settings

SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def configure_logging(settings: Settings) -> None:
    """Send our own events and those of every library through the same renderer, to standard output."""
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not sys.stdout.isatty())
    render: Processor = structlog.processors.JSONRenderer() if as_json else _console()
    tail: list[Processor] = [structlog.processors.format_exc_info, render] if as_json else [render]
    level = logging.getLevelNamesMapping()[settings.log_level]
    structlog.configure(
        processors=[*SHARED, *tail],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(),
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=SHARED,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *tail],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.getLogger("opentelemetry.exporter").setLevel(logging.ERROR)  # not each attempt, while a collector is away


def _console() -> structlog.dev.ConsoleRenderer:
    """Tracebacks without local variables: those hold tokens, and tensors of any size."""
    return structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
