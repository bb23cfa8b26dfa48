"""`GET /metrics` for Prometheus, on a port of its own that is not the API's: private unless told otherwise.

Each process has its own. With several on one machine each takes the next free port, and Prometheus adds them up. It is
answered in a thread, so that it says something even of a process whose event loop is held up.
"""

import asyncio
import errno
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from wsgiref.simple_server import WSGIServer

import structlog
from prometheus_client import REGISTRY, CollectorRegistry, start_http_server
from prometheus_client.registry import Collector

from api_main.core.telemetry import TelemetrySettings

MOST_PROCESSES = 64  # of one machine that take ports after the first one's

log = structlog.get_logger()


@asynccontextmanager
async def exposing_metrics(settings: TelemetrySettings, collectors: Iterable[Collector]) -> AsyncIterator[int | None]:
    """The port, while it is listened on; None where metrics are off. `collectors` are asked at each scrape."""
    server = _listen(settings, collectors) if settings.metrics_port else None
    if server is None:
        yield None
        return
    log.info("metrics_exposed", host=settings.metrics_host, port=server.server_port)
    try:
        yield server.server_port
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()


def _listen(settings: TelemetrySettings, collectors: Iterable[Collector]) -> WSGIServer | None:
    registry = CollectorRegistry()
    for collector in (REGISTRY, *collectors):
        registry.register(collector)
    first = settings.metrics_port
    for port in range(first, min(first + MOST_PROCESSES, 65536)):
        try:
            return start_http_server(port, settings.metrics_host, registry)[0]
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                log.warning("metrics_not_exposed", host=settings.metrics_host, port=port, reason=error.strerror)
                return None
    log.warning("metrics_not_exposed", host=settings.metrics_host, port=first, reason="no port is free")
    return None
