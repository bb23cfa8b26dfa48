"""`/api/v1/tasks`: the reference feature, the one to copy."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response, status

from api_main.auth.dependencies import CALLER, reader_for, session_for
from api_main.auth.read_route import ReadRoute
from api_main.auth.scopes import Scope
from api_main.core.database import RlsReader, RlsSession
from api_main.core.envelope import Page, Success
from api_main.core.errors import InvalidCursor, ValidationFailed
from api_main.core.limits.declarations import shared_limit
from api_main.core.openapi import BODY, ETAG, LOCATION, NOT_MODIFIED, errors
from api_main.core.preconditions import IfMatch, etag, expected_versions
from api_main.idempotency.errors import KEY_ERRORS
from api_main.idempotency.route import REPLAYED_HEADER, IdempotentRoute, creation_for
from api_main.tasks import service
from api_main.tasks.dependencies import get_task_creation, get_task_session
from api_main.tasks.errors import TaskChanged, TaskNotFound
from api_main.tasks.models import Task
from api_main.tasks.schemas import (
    Bulk,
    BulkResult,
    TaskChange,
    TaskListQuery,
    TaskRead,
    TaskWrite,
)

router = APIRouter(prefix="/tasks", tags=["tasks"], route_class=IdempotentRoute)
reads = APIRouter(prefix="/tasks", tags=["tasks"], route_class=ReadRoute)

TaskReader = Annotated[RlsReader, reader_for(Scope.TASKS_READ)]
TaskSession = Annotated[RlsSession, session_for(Scope.TASKS_WRITE, get=get_task_session)]
TaskCreation = Annotated[RlsSession, creation_for(Scope.TASKS_WRITE, get=get_task_creation)]

LIST_ERRORS = errors(*CALLER, ValidationFailed, InvalidCursor)
ONE_ERRORS = errors(*CALLER, ValidationFailed, TaskNotFound)
CHANGE_ERRORS = errors(*CALLER, *BODY, TaskNotFound, TaskChanged)


@reads.get("", summary="List the caller's tasks", response_model=Page[TaskRead], responses=LIST_ERRORS)
async def list_tasks(wanted: Annotated[TaskListQuery, Query()], reader: TaskReader) -> Response:
    return _json(await service.list_page(reader, wanted))


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    summary="Create a task",
    responses={**errors(*CALLER, *BODY, *KEY_ERRORS), 201: {"headers": ETAG | LOCATION | REPLAYED_HEADER}},
)
async def create_task(
    form: TaskWrite, session: TaskCreation, request: Request, response: Response
) -> Success[TaskRead]:
    task = await service.create(session, form)
    response.headers["Location"] = str(request.url_for("get_task", task_id=task.id).path)
    return _with_etag(task, response)


@router.post(
    "/bulk",
    summary="Create, change and delete up to 1,000 tasks, all or nothing",
    responses={**errors(*CALLER, *BODY, *KEY_ERRORS, TaskNotFound, TaskChanged), 200: {"headers": REPLAYED_HEADER}},
)
@shared_limit("20/minute", scope="bulk")
async def write_tasks(bulk: Bulk, session: TaskCreation) -> Success[BulkResult]:
    return Success(data=await service.write_bulk(session, bulk))


@reads.get(
    "/{task_id}",
    summary="Read a task",
    response_model=Success[TaskRead],
    responses={**ONE_ERRORS, **NOT_MODIFIED, 200: {"headers": ETAG}},
)
async def get_task(task_id: UUID, reader: TaskReader) -> Response:
    body, tag = await service.read(reader, task_id)
    return _json(body, {"ETag": tag})


@router.put("/{task_id}", summary="Replace a task", responses={**CHANGE_ERRORS, 200: {"headers": ETAG}})
async def replace_task(
    task_id: UUID, form: TaskWrite, session: TaskSession, response: Response, if_match: IfMatch = None
) -> Success[TaskRead]:
    task = await service.change(session, task_id, form.model_dump(), expected_versions(if_match))
    return _with_etag(task, response)


@router.patch("/{task_id}", summary="Change parts of a task", responses={**CHANGE_ERRORS, 200: {"headers": ETAG}})
async def change_task(
    task_id: UUID, change: TaskChange, session: TaskSession, response: Response, if_match: IfMatch = None
) -> Success[TaskRead]:
    changes = change.model_dump(exclude_unset=True)
    task = await service.change(session, task_id, changes, expected_versions(if_match))
    return _with_etag(task, response)


@router.delete(
    "/{task_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Delete a task",
    responses=errors(*CALLER, ValidationFailed, TaskNotFound, TaskChanged),
)
async def delete_task(task_id: UUID, session: TaskSession, if_match: IfMatch = None) -> None:
    await service.remove(session, task_id, expected_versions(if_match))


def _json(body: bytes, headers: dict[str, str] | None = None) -> Response:
    return Response(body, headers=headers, media_type="application/json")


def _with_etag(task: Task, response: Response) -> Success[TaskRead]:
    response.headers["ETag"] = etag(task.version)
    return Success(data=TaskRead.model_validate(task))
