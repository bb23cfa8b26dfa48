"""`/api/v1/tasks/export`."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from api_main.auth.dependencies import CALLER, RenewReader, renewed_reader_for
from api_main.auth.scopes import Scope
from api_main.core.errors import ValidationFailed
from api_main.core.limits.declarations import shared_limit
from api_main.core.openapi import errors_beside_a_stream
from api_main.tasks.export import service
from api_main.tasks.export.schemas import ExportFormat, TaskExportQuery, format_of

router = APIRouter(prefix="/tasks", tags=["tasks"])

TaskReader = Annotated[RenewReader, renewed_reader_for(Scope.TASKS_READ)]

FILE: dict[str, Any] = {
    "description": "The file, complete only if the response ends as HTTP says that it does",
    "content": {form.media_type: {"schema": {}} for form in ExportFormat},
    "headers": {"Content-Disposition": {"schema": {"type": "string"}, "description": "The name of the file"}},
}


@router.get(
    "/export",
    summary="Export the caller's tasks as a stream",
    description="All that match, the oldest first. A stream that cannot go on is broken off (docs/export.md).",
    response_class=Response,
    responses={**errors_beside_a_stream(*CALLER, ValidationFailed), 200: FILE},
)
@shared_limit("10/minute", scope="export")
async def export_tasks(
    wanted: Annotated[TaskExportQuery, Query()], renew: TaskReader, request: Request
) -> StreamingResponse:
    form = format_of(wanted, request.headers.get("accept", ""))
    headers = {"Content-Disposition": f'attachment; filename="tasks.{form}"', "Vary": "Accept"}
    parts = await service.export(renew, wanted, form)
    return StreamingResponse(parts, headers=headers, media_type=form.media_type)
