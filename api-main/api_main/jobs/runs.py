"""`public.jobs` as a worker writes it, under the role `job_worker`.

Each beginning counts `attempts` up, and every later write names the attempt that it belongs to. Whoever was paused,
cut off or given up meanwhile writes nothing: their transaction finds no row, and is rolled back whole.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from api_main.auth.principal import claims_for_postgres
from api_main.core.database import RlsSession
from api_main.core.prelude import Identity
from api_main.jobs.work import ResultFile

WORKER = Identity("job_worker")
OWNERS_ROLE = "authenticated"  # the only role that may queue a job
PART_SIZE = 256 * 1024

BEGIN = text("""
update public.jobs set state = 'running', attempts = attempts + 1, started_at = coalesce(started_at, now()),
  done = 0, total = null
where id = :id and state in ('queued', 'running')
returning id, kind, parameters, claims, attempts, failures, private.may_sign_in(owner_id) as owner_may_act,
  traceparent
""")
OWN_LOCALE = text("select locale from public.profiles where id = (select auth.uid())")
INPUT = text("select content from public.job_files where job_id = :id and purpose = 'input' order by part")
MINE = "where id = :id and attempts = :attempt and state = 'running'"
REPORT = text(f"update public.jobs set done = :done, total = :total {MINE}")  # noqa: S608 - constants alone
SUCCEED = text(
    "update public.jobs set state = 'succeeded', result = :result, done = coalesce(total, done),"  # noqa: S608
    f" expires_at = now() + :keep {MINE}"
).bindparams(bindparam("result", type_=JSONB))
FAIL = text(
    "update public.jobs set state = 'failed', error = :error, failures = failures + :failures,"  # noqa: S608
    f" expires_at = now() + :keep {MINE}"
).bindparams(bindparam("error", type_=JSONB))
PUT_BACK = text(f"update public.jobs set state = 'queued', failures = failures + :failures {MINE}")  # noqa: S608
KEEP_PART = text(
    "insert into public.job_files (job_id, purpose, part, content) values (:id, 'result', :part, :content)"
)
KEEP_BOOKS = text("select private.keep_audit_log(:months), private.add_up_task_counts()")
TIDY = text("select private.tidy_jobs(:stalled, :most, :keep)")


@dataclass(frozen=True, slots=True)
class Run:
    """One attempt at a job."""

    id: UUID
    kind: str
    parameters: Mapping[str, Any]
    claims: Mapping[str, Any] = field(repr=False)
    attempts: int
    failures: int
    owner_may_act: bool
    traceparent: str | None

    @property
    def owner(self) -> Identity:
        """Whom Postgres is to take the work for: who asked for the job, as their token said."""
        return Identity(OWNERS_ROLE, claims_for_postgres(self.claims))


async def begin(session: RlsSession, job_id: UUID) -> Run | None:
    """Begin an attempt. None if there is nothing left to do."""
    row = (await (await session.connection()).execute(BEGIN, {"id": job_id})).one_or_none()
    return None if row is None else Run(*row)


async def read_input(session: RlsSession, run: Run) -> bytes:
    rows = await (await session.connection()).execute(INPUT, {"id": run.id})
    return b"".join(content for (content,) in rows)


async def own_locale(session: RlsSession) -> str | None:
    """The language of the owner, whose session this is."""
    locale: str | None = (await (await session.connection()).execute(OWN_LOCALE)).scalar_one_or_none()
    return locale


async def report(session: RlsSession, run: Run, done: int, total: int | None) -> bool:
    """Say how far it is. Whether the job is still this attempt's, as with all that follow."""
    return await _write(session, run, REPORT, done=done, total=total)


async def succeed(
    session: RlsSession, run: Run, summary: Mapping[str, Any], file: ResultFile | None, keep: timedelta
) -> bool:
    about = None if file is None else {"name": file.name, "media_type": file.media_type, "size": len(file.content)}
    if file is not None:
        await _keep_file(session, run, file.content)
    return await _write(session, run, SUCCEED, result={"summary": dict(summary), "file": about}, keep=keep)


async def fail(session: RlsSession, run: Run, error: Mapping[str, Any], failures: int, keep: timedelta) -> bool:
    return await _write(session, run, FAIL, error=json.loads(json.dumps(error)), failures=failures, keep=keep)


async def put_back(session: RlsSession, run: Run, failures: int) -> bool:
    """Leave it to a later attempt."""
    return await _write(session, run, PUT_BACK, failures=failures)


async def tidy(session: RlsSession, stalled: timedelta, most_failures: int, keep: timedelta) -> int:
    """Delete what has expired, and queue jobs of lost workers again. How many those were."""
    values = {"stalled": stalled, "most": most_failures, "keep": keep}
    retaken: int = (await (await session.connection()).execute(TIDY, values)).scalar_one()
    return retaken


async def keep_books(session: RlsSession, audit_months: int) -> None:
    """Make and drop the months of the audit log, and add up the numbers of the dashboard."""
    await (await session.connection()).execute(KEEP_BOOKS, {"months": audit_months})


async def _write(session: RlsSession, run: Run, statement: Any, **values: Any) -> bool:
    named = {"id": run.id, "attempt": run.attempts, **values}
    return (await (await session.connection()).execute(statement, named)).rowcount > 0


async def _keep_file(session: RlsSession, run: Run, content: bytes) -> None:
    connection = await session.connection()
    for part, start in enumerate(range(0, len(content), PART_SIZE)):
        await connection.execute(KEEP_PART, {"id": run.id, "part": part, "content": content[start : start + PART_SIZE]})
