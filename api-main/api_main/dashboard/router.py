"""`/api/v1/dashboard`: what there is, in numbers."""

from typing import Annotated

from fastapi import APIRouter, Response, Security

from api_main.auth.dependencies import CALLER, CurrentCache, CurrentDatabase, get_principal
from api_main.auth.principal import Principal
from api_main.auth.scopes import Scope
from api_main.core.envelope import Success
from api_main.core.openapi import errors
from api_main.dashboard import service
from api_main.dashboard.schemas import Numbers

router = APIRouter(prefix="/dashboard", tags=["dashboard"])

DashboardReader = Annotated[Principal, Security(get_principal, scopes=[Scope.DASHBOARD_READ])]


@router.get(
    "/stats",
    summary="Users and tasks in numbers",
    description="The caller's own; everybody's for superusers. Counted anew after a change, and once a minute.",
    response_model=Success[Numbers],
    responses=errors(*CALLER),
)
async def read_stats(principal: DashboardReader, cache: CurrentCache, database: CurrentDatabase) -> Response:
    return Response(await service.read(cache, database, principal), media_type="application/json")
