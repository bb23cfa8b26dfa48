"""procrastinate on our own pool: its statements run as `job_worker`, in a transaction each.

See https://procrastinate.readthedocs.io; what it keeps is in the schema `procrastinate`.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
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
from psycopg.rows import dict_row

from api_main.core.database import Database
from api_main.core.prelude import RlsConnection
from api_main.jobs.runner import JobRunner, TryAgain
from api_main.jobs.runs import WORKER

# Not per connection: a pooler in transaction mode would lose it.
SEARCH_PATH = "select set_config('search_path', 'procrastinate, pg_temp', true)"
RELISTEN_SECONDS = 5.0
TASK = "run_job"  # as private.enqueue_job names it

log = structlog.get_logger()


class _LostBeforeUse(psycopg.OperationalError):
    """The connection was lost before the transaction began: nothing has been done."""


class QueueConnector(BaseAsyncConnector):
    """procrastinate's way to the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.on_trouble: Callable[[], None] = lambda: None

    async def execute_query_async(self, query: LiteralString, **arguments: Any) -> None:
        """Trouble is not raised: it has stopped the worker, and nobody would look at what a job's end came to."""
        try:
            await self._run(query, arguments)
        except psycopg.errors.RaiseException as refusal:  # the job is no longer this worker's to finish
            log.info("queue_moved_on", reason=str(refusal.diag.message_primary))
        except ConnectorException as error:
            log.warning("queue_not_told", reason=type(error.__cause__).__name__)

    async def execute_query_one_async(self, query: LiteralString, **arguments: Any) -> dict[str, Any]:
        rows = await self._run(query, arguments)
        if not rows:
            raise NoResult
        return rows[0]

    async def execute_query_all_async(self, query: LiteralString, **arguments: Any) -> list[dict[str, Any]]:
        return await self._run(query, arguments)

    async def listen_notify(self, on_notification: Notify, channels: Iterable[str]) -> None:
        """Never ends by itself: while the connection is away, polling has to do."""
        wanted = list(channels)
        while True:
            try:
                async for heard in self._database.notifications(*wanted):
                    if heard is not None:
                        await on_notification(channel=heard.channel, payload=heard.payload)
            except psycopg.OperationalError as error:
                log.warning("listener_lost", reason=type(error).__name__)
            await asyncio.sleep(RELISTEN_SECONDS)

    async def open_async(self, pool: Any = None) -> None:
        """The pool is the application's."""

    async def close_async(self) -> None:
        """The pool is the application's."""

    async def _run(self, query: LiteralString, arguments: dict[str, Any]) -> list[dict[str, Any]]:
        try:
            for _ in range(self._database.most_connections):  # all may have died with their server
                with suppress(_LostBeforeUse):
                    return await self._transact(query, arguments)
            return await self._transact(query, arguments)
        except psycopg.errors.RaiseException:
            raise
        except psycopg.Error as error:
            self.on_trouble()
            raise ConnectorException from error

    async def _transact(self, query: LiteralString, arguments: dict[str, Any]) -> list[dict[str, Any]]:
        async with self._database.connection(WORKER) as connection:
            await _begin(connection)
            async with connection.cursor(row_factory=dict_row) as cursor:
                await cursor.execute(query, arguments)
                return await cursor.fetchall() if cursor.description else []


async def _begin(connection: RlsConnection) -> None:
    try:
        await connection.execute(SEARCH_PATH)
    except psycopg.OperationalError as error:
        raise _LostBeforeUse from error


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
