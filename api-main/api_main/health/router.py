"""`/health`: for people, load balancers and orchestrators. Outside the versioned API."""

from fastapi import APIRouter, Request

from api_main.core.envelope import Success
from api_main.core.limits.declarations import shared_limit
from api_main.core.openapi import errors
from api_main.health import service
from api_main.health.schemas import Alive, Health
from api_main.health.service import Unhealthy

router = APIRouter(prefix="/health", tags=["health"])

DEGRADED = "Without Redis, where there should be one, it is `degraded` and can do its work all the same."


@router.get("", summary="Every dependency with its latency", description=DEGRADED, responses=errors(Unhealthy))
@shared_limit("600/minute", scope="health", override_defaults=True)
async def read_health(request: Request) -> Success[Health]:
    return Success(data=await service.check(request.app.state.database, request.app.state.redis))


@router.get("/live", summary="Whether this process answers", responses=errors())
@shared_limit("600/minute", scope="health", override_defaults=True)
async def read_liveness() -> Success[Alive]:
    return Success(data=Alive())


@router.get("/ready", summary="Whether this process can do its work", description=DEGRADED, responses=errors(Unhealthy))
@shared_limit("600/minute", scope="health", override_defaults=True)
async def read_readiness(request: Request) -> Success[Health]:
    return Success(data=await service.check(request.app.state.database, request.app.state.redis))
