"""What people can do with jobs."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from api_main.auth.errors import InsufficientScope
from api_main.auth.principal import Principal
from api_main.core.database import Database, RlsSession
from api_main.core.envelope import Meta, Page
from api_main.core.errors import InvalidCursor
from api_main.core.i18n import current_audience
from api_main.core.pagination import Cursor
from api_main.core.settings import Settings
from api_main.jobs import repository
from api_main.jobs.errors import JobFinished, JobHasNoFile, JobNotFinished, JobNotFound, TooManyJobs
from api_main.jobs.kinds import KINDS
from api_main.jobs.models import Job, JobPriority, JobState
from api_main.jobs.schemas import ImportForm, JobFileInfo, JobForm, JobListQuery, JobRead, JobResult, PicturesForm

NEWEST_FIRST = "-created"
NORMAL_PRIORITY = JobPriority.NORMAL


async def create(session: RlsSession, principal: Principal, form: JobForm, settings: Settings) -> JobRead:
    """Queue a job in the caller's transaction.

    Raises:
        InsufficientScope: the caller's token does not allow what the job would do.
        TooManyJobs
    """
    return await enqueue(session, principal, form.kind, form.parameters, form.priority, _file_of(form), settings)


async def enqueue(
    session: RlsSession,
    principal: Principal,
    kind: str,
    parameters: dict[str, Any],
    priority: JobPriority,
    content: bytes | None,
    settings: Settings,
) -> JobRead:
    """As `create`, for any kind."""
    needed = KINDS[kind].scope
    if principal.scopes is not None and needed not in principal.scopes:
        raise InsufficientScope([needed])
    audience = current_audience.get()
    if audience is not None and audience.asks_for_one:
        parameters = {**parameters, "language": audience.language}
    job_id = await repository.enqueue(session, kind, parameters, priority, content, settings.jobs_per_user)
    if job_id is None:
        raise TooManyJobs
    return await read(session, job_id)


async def read(session: RlsSession, job_id: UUID) -> JobRead:
    """Raises: JobNotFound, for another's as well."""
    return JobRead.of(await _get(session, job_id))


async def list_page(session: RlsSession, wanted: JobListQuery) -> Page[JobRead]:
    """A page of the caller's jobs, the newest first.

    Raises:
        InvalidCursor
    """
    before = None if wanted.cursor is None else _position(wanted.cursor)
    jobs = await repository.page(session, wanted.state, wanted.kind, before, wanted.limit + 1)
    more, jobs = len(jobs) > wanted.limit, jobs[: wanted.limit]
    cursor = Cursor.write(NEWEST_FIRST, jobs[-1].created_at.isoformat(), str(jobs[-1].id)) if more else None
    return Page(data=[JobRead.of(job) for job in jobs], meta=Meta(limit=wanted.limit, next_cursor=cursor))


async def cancel(session: RlsSession, job_id: UUID, settings: Settings) -> None:
    """Cancel a job; nothing of it stays, even if it is running.

    Raises:
        JobNotFound
        JobFinished: it succeeded or failed before.
    """
    state = await repository.cancel(session, job_id, timedelta(seconds=settings.jobs_keep_seconds))
    if state is None:
        raise JobNotFound
    if state is not JobState.CANCELLED:
        raise JobFinished


async def result_file(session: RlsSession, job_id: UUID) -> JobFileInfo:
    """What the file is that a job has made.

    Raises:
        JobNotFound, JobNotFinished, JobHasNoFile
    """
    job = await _get(session, job_id)
    if job.result is None:
        raise JobNotFinished
    file = JobResult.model_validate(job.result).file
    if file is None:
        raise JobHasNoFile
    return file


async def result_parts(database: Database, principal: Principal, job_id: UUID) -> AsyncIterator[bytes]:
    """The bytes of that file, each part in a transaction of its own: a slow reader holds no connection."""
    part = 0
    while True:
        async with database.session(principal.identity) as session:
            content = await repository.result_part(session, job_id, part)
        if content is None:
            return
        yield content
        part += 1


def _file_of(form: JobForm) -> bytes | None:
    match form:
        case ImportForm():
            return form.content.encode()
        case PicturesForm():
            return form.content
        case _:
            return None


async def _get(session: RlsSession, job_id: UUID) -> Job:
    job = await repository.get(session, job_id)
    if job is None:
        raise JobNotFound
    return job


def _position(text: str) -> tuple[datetime, UUID]:
    cursor = Cursor.parse(text, NEWEST_FIRST)
    try:
        moment = datetime.fromisoformat(cursor.key)
    except ValueError:
        raise InvalidCursor(field="cursor") from None
    if moment.tzinfo is None:
        raise InvalidCursor(field="cursor")
    return moment, cursor.id
