"""`/api/v1/tasks/search` and `/api/v1/tasks/{task_id}/similar`."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from api_main.auth.dependencies import CALLER, reader_for
from api_main.auth.read_route import ReadRoute
from api_main.auth.scopes import Scope
from api_main.core.database import RlsReader
from api_main.core.errors import InvalidCursor, ValidationFailed
from api_main.core.limits.declarations import shared_limit
from api_main.core.openapi import errors
from api_main.core.resources import resource
from api_main.gpu.errors import GpuUnavailable, InferenceRefused
from api_main.tasks.errors import TaskNotFound
from api_main.tasks.search import service
from api_main.tasks.search.errors import NoMeaning
from api_main.tasks.search.query_vectors import QueryVectors
from api_main.tasks.search.schemas import SearchPage, SimilarPage, SimilarQuery, TaskSearchQuery

router = APIRouter(prefix="/tasks", tags=["tasks"], route_class=ReadRoute)

TaskReader = Annotated[RlsReader, reader_for(Scope.TASKS_READ)]
CurrentQueryVectors = Annotated[QueryVectors, resource("query_vectors")]

SEARCH_ERRORS = errors(*CALLER, ValidationFailed, InvalidCursor, InferenceRefused, GpuUnavailable, NoMeaning)
SIMILAR_ERRORS = errors(*CALLER, ValidationFailed, TaskNotFound, NoMeaning)


@router.get(
    "/search",
    summary="Search the caller's tasks by words and meaning",
    response_model=SearchPage,
    responses=SEARCH_ERRORS,
)
@shared_limit("60/minute", scope="search")
async def search_tasks(
    wanted: Annotated[TaskSearchQuery, Query()], reader: TaskReader, vectors: CurrentQueryVectors
) -> Response:
    return _json(await service.search_page(reader, vectors, wanted))


@router.get(
    "/{task_id}/similar",
    summary="The caller's tasks that are nearest in meaning to one of them",
    response_model=SimilarPage,
    responses=SIMILAR_ERRORS,
)
@shared_limit("60/minute", scope="search")
async def list_similar_tasks(
    task_id: UUID, wanted: Annotated[SimilarQuery, Query()], reader: TaskReader, vectors: CurrentQueryVectors
) -> Response:
    return _json(await service.similar_page(reader, vectors, task_id, wanted))


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")
