"""`/api/v1/metrics`: for superusers. What Prometheus asks for is on a port of its own: `metrics/listener.py`."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from api_main.auth.dependencies import CALLER, superuser_for
from api_main.core.envelope import Success
from api_main.core.errors import ValidationFailed
from api_main.core.openapi import errors
from api_main.metrics import service
from api_main.metrics.schemas import DatabaseMetrics

router = APIRouter(prefix="/metrics", tags=["metrics"])

Most = Annotated[int, Query(ge=1, le=100, description="How many statements at most")]


@router.get(
    "/database",
    summary="How the database does: connections and slow statements",
    description="For superusers. The connections are those of the process that answers.",
    dependencies=[superuser_for()],
    responses=errors(*CALLER, ValidationFailed),
)
async def read_database_metrics(request: Request, statements: Most = 10) -> Success[DatabaseMetrics]:
    return Success(data=await service.database_metrics(request.app.state.database, statements))
