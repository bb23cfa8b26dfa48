"""procrastinate on our own pool: its statements run as `job_worker`, in a transaction each.

See https://procrastinate.readthedocs.io; what it keeps is in the schema `procrastinate`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

import psycopg
import structlog
from procrastinate import App, BaseRetryStrategy, JobContext, RetryDecision
from procrastinate.connector import BaseAsyncConnector, Notify
from procrastinate.exceptions import ConnectorException, NoResult
from procrastinate.job_context import AbortReason
from procrastinate.jobs import Job
from psycopg.rows import DictRow, dict_row

from api_main.core.database import Database
from api_main.jobs.runner import JobRunner, TryAgain
from api_main.jobs.runs import WORKER

# Not per connection: a pooler in transaction mode would lose it.
SEARCH_PATH = "select set_config('search_path', 'procrastinate, pg_temp', true)"
RELISTEN_SECONDS = 5.0
TASK = "run_job"  # as private.enqueue_job names it

log = structlog.get_logger()


class QueueConnector(BaseAsyncConnector):
    """procrastinate's way to the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.on_trouble: Callable[[], None] = lambda: None

    async def execute_query_async(self, query: LiteralString, **arguments: Any) -> None:
        try:
            async with self._cursor(query, arguments):
                pass
        except psycopg.errors.RaiseException as refusal:  # the job is no longer this worker's to finish
            log.info("queue_moved_on", reason=str(refusal.diag.message_primary))

    async def execute_query_one_async(self, query: LiteralString, **arguments: Any) -> dict[str, Any]:
        async with self._cursor(query, arguments) as cursor:
            row = await cursor.fetchone()
        if row is None:
            raise NoResult
        return row

    async def execute_query_all_async(self, query: LiteralString, **arguments: Any) -> list[dict[str, Any]]:
        async with self._cursor(query, arguments) as cursor:
            return await cursor.fetchall()

    async def listen_notify(self, on_notification: Notify, channels: Iterable[str]) -> None:
        """Never ends by itself: while the connection is away, polling has to do."""
        wanted = list(channels)
        while True:
            try:
                async for heard in self._database.notifications(*wanted):
                    await on_notification(channel=heard.channel, payload=heard.payload)
            except psycopg.OperationalError as error:
                log.warning("listener_lost", reason=type(error).__name__)
            await asyncio.sleep(RELISTEN_SECONDS)

    async def open_async(self, pool: Any = None) -> None:
        """The pool is the application's."""

    async def close_async(self) -> None:
        """The pool is the application's."""

    @asynccontextmanager
    async def _cursor(
        self, query: LiteralString, arguments: dict[str, Any]
    ) -> AsyncIterator[psycopg.AsyncCursor[DictRow]]:
        try:
            async with self._database.connection(WORKER) as connection:
                await connection.execute(SEARCH_PATH)
                async with connection.cursor(row_factory=dict_row) as cursor:
                    await cursor.execute(query, arguments)
                    yield cursor
        except psycopg.errors.RaiseException:
            raise
        except psycopg.Error as error:
            self.on_trouble()
            raise ConnectorException from error


class _AsTold(BaseRetryStrategy):
    """What the runner says goes. What it could not record is tried again too: the job's row knows how far it came."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:  # noqa: ARG002
        if isinstance(exception, asyncio.CancelledError):  # its owner cancelled it
            return None
        seconds = exception.seconds if isinstance(exception, TryAgain) else self._seconds
        return RetryDecision(retry_at=datetime.now(UTC) + timedelta(seconds=seconds))


def create_queue(connector: QueueConnector, runner: JobRunner, retry_seconds: float) -> App:
    """procrastinate's application, with the one task through which every job runs."""
    queue = App(connector=connector)

    @queue.task(name=TASK, pass_context=True, retry=_AsTold(retry_seconds))
    async def run_job(context: JobContext, job_id: str) -> None:
        await runner.run(UUID(job_id), is_stopping=lambda: context.abort_reason() is AbortReason.SHUTDOWN)

    return queue
