"""Run one job: begin, do the work as its owner, and record what came of it in the same transaction."""

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from opentelemetry.trace import SpanKind

from api_main.core.database import Database, become
from api_main.core.i18n import Audience, _, current_audience, say, say_all
from api_main.core.logging import request_facts
from api_main.core.settings import WorkerSettings
from api_main.gpu.client import GpuClient
from api_main.jobs import runs
from api_main.jobs.metrics import AGAIN, JOB_SECONDS, JOBS
from api_main.jobs.runs import WORKER, Run
from api_main.jobs.work import JobFailed, Kind, NotNow, Work
from service_wire import tracing

MOST_FAILURES = 5
PROGRESS_SECONDS = 0.5

log = structlog.get_logger()


class TryAgain(Exception):
    """The job is to be queued again, so many seconds from now."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"again in {seconds:g} s")


class Superseded(Exception):
    """The job is no longer this attempt's: it was cancelled, or another worker has begun it anew."""


class JobRunner:
    """Runs jobs of the kinds that it knows."""

    def __init__(
        self, database: Database, settings: WorkerSettings, kinds: Mapping[str, Kind], gpu: GpuClient | None = None
    ) -> None:
        self._database = database
        self._settings = settings
        self._kinds = kinds
        self._gpu = gpu
        self._keep = timedelta(seconds=settings.jobs_keep_seconds)

    async def run(self, job_id: UUID, *, is_stopping: Callable[[], bool]) -> None:
        """Run a job, unless there is nothing left to do.

        `is_stopping` tells a cancellation that stops the worker from one that cancels the job.

        Raises:
            TryAgain: it failed, but may succeed later.
            asyncio.CancelledError: as asked for; nothing of the work stays.
            psycopg.Error, sqlalchemy.exc.DBAPIError: the database was lost, so that nothing could be recorded.
        """
        async with self._database.session(WORKER) as session:
            run = await runs.begin(session, job_id)
        if run is None:
            return
        request_facts.set({"request_id": f"job-{run.id}"})  # for the log, and for the audit log
        whose = {} if run.traceparent is None else {"traceparent": run.traceparent}
        with tracing.continued(whose, f"job {run.kind}", SpanKind.CONSUMER, job_attempt=run.attempts):
            await self._run(run, is_stopping)

    async def _run(self, run: Run, is_stopping: Callable[[], bool]) -> None:
        outcome, started = AGAIN, time.monotonic()
        current_audience.set(Audience(locale=run.parameters.get("language")))
        try:
            outcome = await self._attempt(run, is_stopping)
        finally:
            seconds = time.monotonic() - started
            JOBS.labels(run.kind, outcome).inc()
            JOB_SECONDS.labels(run.kind).observe(seconds)
        about = {"job": str(run.id), "kind": run.kind, "attempt": run.attempts}
        log.info("job_ended", **about, outcome=outcome, seconds=round(seconds, 3))

    async def _attempt(self, run: Run, is_stopping: Callable[[], bool]) -> str:
        try:
            async with asyncio.timeout(self._settings.jobs_timeout_seconds):
                await self._work(run)
        except Superseded:
            return "superseded"
        except JobFailed as failure:
            await self._fail(run, failure, failures=0)
            return failure.code
        except NotNow as obstacle:
            await self._put_back(run, failures=0)
            log.info("job_waits", job=str(run.id), kind=run.kind, seconds=obstacle.seconds)
            raise TryAgain(obstacle.seconds) from None
        except asyncio.CancelledError:
            if is_stopping():
                _go_on()
                await self._put_back(run, failures=0)
                raise TryAgain(0) from None
            raise
        except Exception as error:  # noqa: BLE001 - whatever it was, the owner is told, and the log knows
            await self._fail_or_try_again(run, error)
            return "internal_error"
        return "succeeded"

    async def _work(self, run: Run) -> None:
        if not run.owner_may_act:
            raise JobFailed("owner_inactive", "The account may not act: it is banned, deactivated or deleted.")
        kind = self._kinds[run.kind]
        async with self._database.session(WORKER) as session:
            content = await runs.read_input(session, run)
        work = Work(
            id=run.id,
            owner=run.owner,
            settings=self._settings,
            parameters=run.parameters,
            content=content,
            progress=_Reporter(self._database, run),
            gpu=self._gpu,
        )
        async with self._database.session(run.owner) as session:
            audience = current_audience.get()
            if audience is not None and audience.locale is None:
                audience.locale = await runs.own_locale(session)
            outcome = await kind.handler(session, work)
            await become(session, WORKER)
            if not await runs.succeed(session, run, outcome.summary, outcome.file, self._keep):
                raise Superseded

    async def _fail_or_try_again(self, run: Run, error: Exception) -> None:
        failures = run.failures + 1
        log.error("job_attempt_failed", job=str(run.id), kind=run.kind, failures=failures, exc_info=error)
        if failures < MOST_FAILURES:
            await self._put_back(run, failures=1)
            raise TryAgain(self._settings.jobs_retry_seconds * 2**run.failures) from error
        if isinstance(error, TimeoutError):
            failure = JobFailed("timeout", _("It took too long, {n} times in a row.", n=failures))
        else:
            failure = JobFailed("internal_error", _("It failed, {n} times in a row.", n=failures))
        await self._fail(run, failure, failures=1)

    async def _fail(self, run: Run, failure: JobFailed, *, failures: int) -> None:
        error: dict[str, Any] = {
            "code": failure.code,
            "message": say(failure.message),
            "details": say_all(failure.details),
        }
        async with self._database.session(WORKER) as session:
            await runs.fail(session, run, error, failures, self._keep)

    async def _put_back(self, run: Run, *, failures: int) -> None:
        async with self._database.session(WORKER) as session:
            await runs.put_back(session, run, failures)


def _go_on() -> None:
    """Take the cancellation of this task for answered, or nothing could be awaited any more."""
    task = asyncio.current_task()
    assert task is not None
    task.uncancel()


class _Reporter:
    """Writes progress down at most every so often, in a transaction that everybody sees at once."""

    def __init__(self, database: Database, run: Run) -> None:
        self._database = database
        self._run = run
        self._next = 0.0

    async def __call__(self, done: int, total: int | None) -> None:
        if time.monotonic() < self._next:
            return
        async with self._database.session(WORKER) as session:
            if not await runs.report(session, self._run, done, total):
                raise Superseded
        self._next = time.monotonic() + PROGRESS_SECONDS
