"""`python -m api_main work`: run jobs until SIGTERM or Ctrl-C."""

import asyncio
import signal
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta

import psycopg
import structlog
from procrastinate import App
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import DeleteJobCondition
from procrastinate.worker import Worker
from sqlalchemy.exc import DBAPIError

from api_main.core.cache import Cache
from api_main.core.database import Database
from api_main.core.logging import configure_logging
from api_main.core.redis import open_redis
from api_main.core.settings import WorkerSettings
from api_main.core.stopping import end
from api_main.gpu.client import open_gpu
from api_main.idempotency import service as idempotency
from api_main.jobs import runs
from api_main.jobs.kinds import KINDS
from api_main.jobs.queue import QueueConnector, create_queue
from api_main.jobs.runner import MOST_FAILURES, JobRunner
from api_main.jobs.work import Kind
from api_main.metrics.collectors import PoolCollector
from api_main.metrics.listener import exposing_metrics
from service_wire import tracing

RESTART_SECONDS = 2.0
BOOKKEEPING = 2  # connections: for the queue, and for tidying

log = structlog.get_logger()


class JobWorker:
    """Takes jobs from the queue and runs them, several at a time.

    When the database fails the queue, its worker ends and a new one begins: what it could not record is taken up
    again like the jobs of any worker that was lost.
    """

    def __init__(self, settings: WorkerSettings, kinds: Mapping[str, Kind] = KINDS) -> None:
        connections = 2 * settings.jobs_concurrency + BOOKKEEPING  # the work, and its progress
        pool_size = {"database_pool_max": max(settings.database_pool_max, connections)}
        self._settings = settings
        self._database = Database(settings.model_copy(update=pool_size), name="api-main worker")
        self._kinds = kinds
        self._stopping = asyncio.Event()
        self._worker: Worker | None = None

    async def run(self) -> None:
        """Work until `stop`. Jobs that run then have `JOBS_GRACE_SECONDS`; what is left is queued again."""
        await self._database.open()
        tidying = asyncio.create_task(self._tidy())
        try:
            collectors = (PoolCollector(self._database),)
            async with (
                open_redis(self._settings.redis_url) as redis,
                open_gpu(self._settings) as gpu,
                exposing_metrics(self._settings, collectors),
            ):
                Cache(redis).serve(self._database)  # it reads nothing out of it
                runner = JobRunner(self._database, self._settings, self._kinds, gpu)
                while not self._stopping.is_set():
                    await self._work(runner)
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._stopping.wait(), RESTART_SECONDS)
        finally:
            await end(tidying)
            await self._database.close()

    def stop(self) -> None:
        self._stopping.set()
        if self._worker is not None:
            self._worker.stop()  # type: ignore[no-untyped-call]

    async def _work(self, runner: JobRunner) -> None:
        connector = QueueConnector(self._database)
        self._worker = self._new_worker(create_queue(connector, runner, self._settings.jobs_retry_seconds))
        connector.on_trouble = self._worker.stop
        log.info("worker_started", concurrency=self._settings.jobs_concurrency)
        try:
            await self._worker.run()  # type: ignore[no-untyped-call]
        except ConnectorException as error:
            log.warning("worker_lost_the_database", reason=type(error.__cause__).__name__)
        log.info("worker_stopped")

    def _new_worker(self, queue: App) -> Worker:
        settings = self._settings
        return Worker(
            queue,
            concurrency=settings.jobs_concurrency,
            fetch_job_polling_interval=settings.jobs_poll_seconds,
            abort_job_polling_interval=settings.jobs_poll_seconds,
            listen_notify=settings.listen_url is not None,
            update_heartbeat_interval=settings.heartbeat_seconds,
            stalled_worker_timeout=settings.jobs_stalled_seconds,
            shutdown_graceful_timeout=settings.jobs_grace_seconds,
            delete_jobs=DeleteJobCondition.ALWAYS,  # public.jobs is the record
            install_signal_handlers=False,
        )

    async def _tidy(self) -> None:
        keep = timedelta(seconds=self._settings.jobs_keep_seconds)
        stalled = timedelta(seconds=self._settings.jobs_stalled_seconds)
        while True:
            with suppress(DBAPIError, psycopg.Error):  # the next time, then
                async with self._database.session(runs.WORKER) as session:
                    retaken = await runs.tidy(session, stalled, MOST_FAILURES, keep)
                async with self._database.session(runs.WORKER) as session:
                    await idempotency.sweep(session)
                if retaken:
                    log.warning("jobs_of_lost_workers_queued_again", jobs=retaken)
            with suppress(DBAPIError, psycopg.Error):
                async with self._database.session(runs.WORKER) as session:
                    await runs.keep_books(session, self._settings.audit_keep_months)
            await asyncio.sleep(self._settings.heartbeat_seconds)


async def work(settings: WorkerSettings) -> None:
    """Run a worker in this process, until it is told to stop."""
    configure_logging(settings)
    worker = JobWorker(settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.stop)
    with tracing.tracing("api-main-worker", settings.tracing_variables):
        await worker.run()
