"""What there is, and whether it lives. Health is for anybody, and is never work."""

from importlib.metadata import version

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from api_gpu.addressed import engine_of
from api_gpu.errors import NotReady

NAME = "api-gpu"
EXTENSIONS = ["binary_tensor_data", "model_configuration", "model_repository", "statistics"]


async def metadata(_request: Request) -> Response:
    """Server metadata."""
    return JSONResponse({"name": NAME, "version": version(NAME), "extensions": EXTENSIONS})


async def live(_request: Request) -> Response:
    """200 as long as the process answers."""
    return JSONResponse({"live": True})


async def ready(request: Request) -> Response:
    """200 where models can run.

    Raises:
        NotReady: the device that was asked for is not there.
    """
    problem = engine_of(request).device_problem
    if problem is not None:
        raise NotReady(problem)
    return JSONResponse({"ready": True})


routes = [
    Route("/v2", metadata),
    Route("/v2/health/live", live),
    Route("/v2/health/ready", ready),
    Route("/health", ready),
    Route("/health/live", live),
    Route("/health/ready", ready),
]
