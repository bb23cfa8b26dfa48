"""`/api/v1/jobs`: work that takes longer than a request."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Query, Request, Response, Security, status
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse

from api_main.auth.dependencies import (
    CALLER,
    CurrentDatabase,
    CurrentSettings,
    get_principal,
    session_for,
)
from api_main.auth.principal import Principal
from api_main.auth.scopes import Scope
from api_main.core.database import RlsSession
from api_main.core.envelope import Page, Success
from api_main.core.errors import InvalidCursor, UnsupportedMediaType, ValidationFailed
from api_main.core.limits.declarations import shared_limit
from api_main.core.openapi import BODY, LOCATION, Responses, errors, errors_beside_a_stream
from api_main.events.dependencies import Caller, live_for
from api_main.events.errors import TooManyStreams
from api_main.events.follower import Follower
from api_main.idempotency.errors import KEY_ERRORS
from api_main.idempotency.route import REPLAYED_HEADER, IdempotentRoute, creation_for
from api_main.jobs import service
from api_main.jobs.errors import JobFinished, JobHasNoFile, JobNotFinished, JobNotFound, TooManyJobs
from api_main.jobs.following import follow
from api_main.jobs.kinds import KINDS
from api_main.jobs.schemas import FORM_EXAMPLES, ImportQuery, JobForm, JobListQuery, JobRead, PictureOptions

router = APIRouter(prefix="/jobs", tags=["jobs"], route_class=IdempotentRoute)

IMPORT, BATCH = "tasks.import", "images.batch"
ZIP = "application/zip"
FORMATS = {"text/csv": "csv", "application/json": "json"}  # of a file, by the media type that it is sent with
FILE_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "text/csv": {"schema": {}, "example": "title,priority\nWrite the announcement,high\n"},
        "application/json": {"schema": {}, "example": [{"title": "Write the announcement", "priority": "high"}]},
    },
}
ARCHIVE_BODY: dict[str, Any] = {"required": True, "content": {ZIP: {"schema": {}, "example": "(a ZIP archive)"}}}
ACCEPTED: Responses = {202: {"headers": LOCATION | REPLAYED_HEADER}}
CREATE_ERRORS = errors(*CALLER, *BODY, *KEY_ERRORS, TooManyJobs)


JobReading = Annotated[RlsSession, session_for(Scope.JOBS_READ)]
JobWriting = Annotated[RlsSession, session_for(Scope.JOBS_WRITE)]
JobCreation = Annotated[RlsSession, creation_for(Scope.JOBS_WRITE)]
PictureProcessing = Annotated[RlsSession, creation_for(Scope.JOBS_WRITE, Scope.IMAGES_PROCESS)]
PictureProcessor = Annotated[Principal, Security(get_principal, scopes=[Scope.JOBS_WRITE, Scope.IMAGES_PROCESS])]
FileImporting = Annotated[RlsSession, creation_for(Scope.JOBS_WRITE, Scope.TASKS_WRITE)]
JobReader = Annotated[Principal, Security(get_principal, scopes=[Scope.JOBS_READ])]
JobWriter = Annotated[Principal, Security(get_principal, scopes=[Scope.JOBS_WRITE])]
FileImporter = Annotated[Principal, Security(get_principal, scopes=[Scope.JOBS_WRITE, Scope.TASKS_WRITE])]


@router.get(
    "", summary="List the caller's jobs, the newest first", responses=errors(*CALLER, ValidationFailed, InvalidCursor)
)
async def list_jobs(wanted: Annotated[JobListQuery, Query()], session: JobReading) -> Page[JobRead]:
    return await service.list_page(session, wanted)


@router.post("", status_code=status.HTTP_202_ACCEPTED, summary="Queue a job", responses={**CREATE_ERRORS, **ACCEPTED})
@shared_limit("20/minute", scope="jobs")
async def create_job(
    form: Annotated[JobForm, Body(openapi_examples=FORM_EXAMPLES)],
    session: JobCreation,
    principal: JobWriter,
    settings: CurrentSettings,
    request: Request,
    response: Response,
) -> Success[JobRead]:
    return _accepted(await service.create(session, principal, form, settings), request, response)


@router.post(
    "/import",
    status_code=status.HTTP_202_ACCEPTED,
    summary="Queue the import of a file of tasks",
    responses={**CREATE_ERRORS, **ACCEPTED},
    openapi_extra={"requestBody": FILE_BODY},
)
@shared_limit("20/minute", scope="jobs")
async def import_file(
    wanted: Annotated[ImportQuery, Query()],
    session: FileImporting,
    principal: FileImporter,
    settings: CurrentSettings,
    request: Request,
    response: Response,
) -> Success[JobRead]:
    file_format = FORMATS.get(_media_type(request))
    if file_format is None:
        raise UnsupportedMediaType("Send text/csv or application/json, and say so in Content-Type.")
    content = await _file_of(request)
    parameters = {"format": file_format, "on_error": wanted.on_error}
    job = await service.enqueue(session, principal, IMPORT, parameters, wanted.priority, content, settings)
    return _accepted(job, request, response)


@router.post(
    "/images",
    status_code=status.HTTP_202_ACCEPTED,
    summary="Queue the pictures of a ZIP archive",
    responses={**CREATE_ERRORS, **ACCEPTED},
    openapi_extra={"requestBody": ARCHIVE_BODY},
)
@shared_limit("20/minute", scope="jobs")
async def process_archive(
    wanted: Annotated[PictureOptions, Query()],
    session: PictureProcessing,
    principal: PictureProcessor,
    settings: CurrentSettings,
    request: Request,
    response: Response,
) -> Success[JobRead]:
    if _media_type(request) != ZIP:
        raise UnsupportedMediaType("Send application/zip, and say so in Content-Type.")
    parameters = wanted.model_dump(mode="json", exclude={"priority"})
    content = await _file_of(request)
    job = await service.enqueue(session, principal, BATCH, parameters, wanted.priority, content, settings)
    return _accepted(job, request, response)


@router.get("/{job_id}", summary="Read a job", responses=errors(*CALLER, ValidationFailed, JobNotFound))
async def get_job(job_id: UUID, session: JobReading) -> Success[JobRead]:
    return Success(data=await service.read(session, job_id))


@router.delete(
    "/{job_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Cancel a job",
    responses=errors(*CALLER, ValidationFailed, JobNotFound, JobFinished),
)
async def cancel_job(job_id: UUID, session: JobWriting, settings: CurrentSettings) -> None:
    await service.cancel(session, job_id, settings)


@router.get(
    "/{job_id}/result",
    summary="Download what a job has made",
    response_class=Response,
    responses={
        **errors_beside_a_stream(*CALLER, ValidationFailed, JobNotFound, JobHasNoFile, JobNotFinished),
        200: {
            "description": "The file",
            "content": {media_type: {"schema": {}} for kind in KINDS.values() for media_type in kind.makes},
            "headers": {"Content-Disposition": {"schema": {"type": "string"}, "description": "The name of the file"}},
        },
    },
)
async def get_job_result(
    job_id: UUID, session: JobReading, principal: JobReader, database: CurrentDatabase
) -> StreamingResponse:
    file = await service.result_file(session, job_id)
    headers = {"Content-Disposition": f'attachment; filename="{file.name}"', "Content-Length": str(file.size)}
    return StreamingResponse(
        service.result_parts(database, principal, job_id), headers=headers, media_type=file.media_type
    )


@dataclass(frozen=True)
class Followed:
    """A job that exists: an event stream can no longer say that it does not."""

    id: UUID


async def get_followed(job_id: UUID, session: JobReading) -> Followed:
    await service.read(session, job_id)
    return Followed(job_id)


@dataclass(frozen=True)
class JobFollower:
    """A caller who may open one more stream: it can no longer say that they may not."""

    caller: Caller
    follower: Follower


async def get_follower(caller: Annotated[Caller, live_for(Scope.JOBS_READ)]) -> AsyncIterator[JobFollower]:
    with await caller.follow() as follower:  # until the answer has been sent
        yield JobFollower(caller, follower)


@router.get(
    "/{job_id}/events",
    summary="Follow a job",
    description="The job as it is, and again whenever it changes, until it is finished: then close the stream.",
    response_class=EventSourceResponse,
    responses=errors_beside_a_stream(*CALLER, ValidationFailed, JobNotFound, TooManyStreams),
)
async def follow_job(
    followed: Annotated[Followed, Depends(get_followed, scope="function")],
    who: Annotated[JobFollower, Depends(get_follower)],
) -> AsyncIterator[JobRead]:
    async for job in follow(who.caller, who.follower, followed.id):
        yield job


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _file_of(request: Request) -> bytes:
    content = await request.body()
    if not content:
        raise ValidationFailed("The file is empty.", field="body")
    return content


def _accepted(job: JobRead, request: Request, response: Response) -> Success[JobRead]:
    response.headers["Location"] = str(request.url_for("get_job", job_id=job.id).path)
    return Success(data=job)
