"""A worker: in this process, where a test may look into it, or as the process that `python -m api_main work` is."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import psycopg

from api_main.core.settings import Settings, WorkerSettings
from api_main.jobs.kinds import KINDS
from api_main.jobs.work import Kind
from api_main.jobs.worker import JobWorker
from tests.patience import PATIENCE
from tests.people import Person
from tests.rls.stage import identity_of

# Quick, but for a loaded machine: a worker that lives must not be taken for lost.
QUICK: Mapping[str, Any] = {
    "jobs_poll_seconds": 0.2,
    "jobs_retry_seconds": 0.05,
    "jobs_stalled_seconds": 6.0,
    "jobs_grace_seconds": 1.0,
    "database_pool_timeout": 2.0,
    "metrics_port": 0,
}
INHERITED = ("PATH", "HOME", "LANG", "TMPDIR")


def worker_settings(settings: Settings, **changes: Any) -> WorkerSettings:
    shared = {"environment": "test", "database_url": settings.database_url, "log_level": "WARNING"}
    return WorkerSettings(_env_file=None, **{**shared, **QUICK, **changes})


@asynccontextmanager
async def working(settings: WorkerSettings, kinds: Mapping[str, Kind] = KINDS) -> AsyncIterator[JobWorker]:
    """A worker on this event loop."""
    worker = JobWorker(settings, kinds)
    running = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        async with asyncio.timeout(PATIENCE):
            await running


class WorkerProcess:
    """`python -m api_main work`."""

    def __init__(self, settings: WorkerSettings, log: Path, variables: Mapping[str, Any]) -> None:
        own = {name.upper(): str(getattr(settings, name)) for name in ("environment", "database_url", *QUICK)}
        own |= {name.upper(): str(value) for name, value in variables.items()}
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "api_main", "work"],
                env={**inherited, **own, "LOG_FORMAT": "json"},
                cwd=log.parent,  # no .env of a developer's there
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    @property
    def text(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def kill(self) -> None:
        """As the kernel does when memory runs out."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE)

    def stop(self) -> int:
        """As whoever supervises it does, and the exit code."""
        self.process.terminate()
        return self.process.wait(PATIENCE)


@contextmanager
def worker_process(settings: WorkerSettings, log: Path, **variables: Any) -> Iterator[WorkerProcess]:
    worker = WorkerProcess(settings, log, variables)
    try:
        yield worker
    finally:
        if worker.process.poll() is None:
            worker.kill()


def queue_as(
    admin: psycopg.Connection[Any], person: Person, kind: str, content: bytes | None = None, **parameters: Any
) -> str:
    """Queue a job of any kind as the API does, whether the API knows the kind or not."""
    identity = identity_of(person)
    with admin.transaction():
        admin.execute(
            "select set_config('role', %s, true), set_config('request.jwt.claims', %s, true)",
            (identity.role, identity.claims),
        )
        row = admin.execute(
            "select private.enqueue_job(%s, %s, 'normal', %s, 1000)", (kind, json.dumps(parameters), content)
        ).fetchone()
    assert row is not None
    return str(row[0])
