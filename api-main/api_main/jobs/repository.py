"""Jobs as their owner reaches them. The policies decide whose rows these statements see."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, text, tuple_
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import load_only
from sqlmodel import col, select

from api_main.core.database import RlsSession
from api_main.jobs.models import Job, JobFile, JobPriority, JobState
from service_wire import tracing

ENQUEUE = text(
    "select private.enqueue_job(:kind, :parameters, cast(:priority as public.job_priority), :content, :most)"
).bindparams(bindparam("parameters", type_=JSONB))
# The column's default: a job belongs to the trace of the request that asked for it.
TRACE = text("select set_config('request.traceparent', :traceparent, true)")
CANCEL = text("select private.cancel_job(:job, :keep)")

PRIVATE = {"claims", "failures", "queue_id", "traceparent"}  # for workers alone
READABLE = load_only(*(getattr(Job, name) for name in Job.model_fields if name not in PRIVATE))


async def enqueue(
    session: RlsSession,
    kind: str,
    parameters: dict[str, Any],
    priority: JobPriority,
    content: bytes | None,
    most: int,
) -> UUID | None:
    """Queue a job of the caller's in this transaction. None if so many are queued or running already."""
    values = {"kind": kind, "parameters": parameters, "priority": priority.value, "content": content, "most": most}
    connection = await session.connection()
    if (traceparent := tracing.traceparent()) is not None:
        await connection.execute(TRACE, {"traceparent": traceparent})
    job_id: UUID | None = (await connection.execute(ENQUEUE, values)).scalar_one()
    return job_id


async def cancel(session: RlsSession, job_id: UUID, keep: timedelta) -> JobState | None:
    """Cancel a job unless it is finished. Its state now; None if there is no such job."""
    state = (await (await session.connection()).execute(CANCEL, {"job": job_id, "keep": keep})).scalar_one()
    return None if state is None else JobState(state)


async def get(session: RlsSession, job_id: UUID) -> Job | None:
    return (await session.exec(select(Job).options(READABLE).where(Job.id == job_id))).one_or_none()


async def page(
    session: RlsSession,
    states: Sequence[JobState],
    kinds: Sequence[str],
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Job]:
    """The newest first."""
    statement = select(Job).options(READABLE).order_by(col(Job.created_at).desc(), col(Job.id).desc()).limit(limit)
    if states:
        statement = statement.where(col(Job.state).in_(states))
    if kinds:
        statement = statement.where(col(Job.kind).in_(kinds))
    if before is not None:
        statement = statement.where(tuple_(col(Job.created_at), col(Job.id)) < before)
    return list(await session.exec(statement))


async def result_part(session: RlsSession, job_id: UUID, part: int) -> bytes | None:
    """A part of the file that a job made. None if there are no more."""
    of_this_job = (JobFile.job_id == job_id, JobFile.purpose == "result", JobFile.part == part)
    return (await session.exec(select(JobFile.content).where(*of_this_job))).one_or_none()
