"""What Prometheus is told of things that count themselves: the pool of connections, and the queues in the database."""

import asyncio
from collections.abc import Iterator

import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api_main.core.database import Database
from api_main.core.redis import RedisServer
from api_main.core.settings import Settings
from api_main.metrics import queries
from api_main.metrics.queries import QueueAges
from api_main.metrics.schemas import PoolMetrics

QUEUE_SECONDS = 2.0  # that a scrape waits for the database

log = structlog.get_logger()


def collectors_of_api(settings: Settings, database: Database, redis: RedisServer | None) -> tuple[Collector, ...]:
    """What a process of the API is asked about."""
    queues = QueueCollector(database, embeds=settings.gpu_url is not None)
    return PoolCollector(database), queues, RedisCollector(redis)


class PoolCollector(Collector):
    """The pool of this process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def collect(self) -> Iterator[Metric]:
        pool = PoolMetrics.of(self._database.statistics)
        gauges = {
            "max": (pool.max, "Connections that the pool may open."),
            "open": (pool.size, "Connections that are open."),
            "in_use": (pool.in_use, "Connections that somebody works with."),
            "idle": (pool.idle, "Connections that are open and free."),
            "waiting": (pool.waiting, "Requests that wait for a connection."),
        }
        for name, (value, about) in gauges.items():
            yield GaugeMetricFamily(f"database_pool_{name}", about, value)
        counters = {
            "requests": (pool.requests, "Times that a connection was asked for."),
            "queued": (pool.requests_queued, "Times that none was free at once."),
            "wait_seconds": (pool.wait_seconds, "Seconds waited for a connection, all together."),
            "timeouts": (pool.timeouts, "Times that none came free in time: each a 503."),
            "lost": (pool.connections_lost, "Connections that broke."),
        }
        for name, (count, about) in counters.items():
            yield CounterMetricFamily(f"database_pool_{name}", about, count)


class RedisCollector(Collector):
    """Whether Redis is there, as this process sees it. No number where none is set up."""

    def __init__(self, redis: RedisServer | None) -> None:
        self._redis = redis

    def collect(self) -> Iterator[Metric]:
        is_here = None if self._redis is None else self._redis.is_here
        yield GaugeMetricFamily("redis_available", "1 while Redis can be reached.", is_here)


class QueueCollector(Collector):
    """The queues, which all processes share: add nothing up, take the largest."""

    def __init__(self, database: Database, *, embeds: bool) -> None:
        """`embeds`: whether there is an api-gpu. Without one tasks wait for good, and nobody is to be alarmed."""
        self._database = database
        self._embeds = embeds
        self._loop = asyncio.get_running_loop()

    def collect(self) -> Iterator[Metric]:
        ages = self._ask()
        yield GaugeMetricFamily("queues_known", "1 if the database could be asked about its queues.", ages is not None)
        if ages is None:
            return
        gauges = {
            "jobs_waiting": (ages.jobs_waiting, "Jobs that no worker has begun."),
            "jobs_running": (ages.jobs_running, "Jobs that a worker is at."),
            "jobs_oldest_seconds": (ages.jobs_oldest_seconds, "How long the oldest of the waiting jobs waits."),
        }
        embeddings = {
            "embeddings_waiting": (ages.embeddings_waiting, "Tasks whose words are yet to be embedded."),
            "embeddings_oldest_seconds": (ages.embeddings_oldest_seconds, "How long the oldest of those tasks waits."),
        }
        told = gauges | (embeddings if self._embeds and ages.embeddings_possible else {})
        for name, (value, about) in told.items():
            yield GaugeMetricFamily(name, about, value)

    def _ask(self) -> QueueAges | None:
        """On the event loop, from the thread of the scrape."""
        asked = asyncio.run_coroutine_threadsafe(self._fetch(), self._loop)
        try:
            return asked.result(2 * QUEUE_SECONDS)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other numbers must be told
            asked.cancel()
            log.debug("queues_unknown", error=type(error).__name__)
            return None

    async def _fetch(self) -> QueueAges:
        async with asyncio.timeout(QUEUE_SECONDS):
            return await queries.queue_ages(self._database)
