"""`GET /v1/models`: the models of the repository as OpenAI lists its own."""

import time

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from api_gpu.addressed import engine_of
from api_gpu.errors import ModelNotFound

STARTED = int(time.time())
"""Seconds since 1970. Their age is asked for and not known; clients only need a number."""


async def list_models(request: Request) -> Response:
    """All of them, by name."""
    return JSONResponse({"object": "list", "data": [_described(name) for name in _names(request)]})


async def retrieve(request: Request) -> Response:
    """One of them. Raises `ModelNotFound`."""
    name = request.path_params["model"]
    if name not in _names(request):
        raise ModelNotFound(f'There is no model "{name}".')
    return JSONResponse(_described(name))


def _names(request: Request) -> list[str]:
    return sorted({state.name for state in engine_of(request).index()})


def _described(name: str) -> dict[str, str | int]:
    return {"id": name, "object": "model", "created": STARTED, "owned_by": "api-gpu"}


routes = [Route("/v1/models", list_models), Route("/v1/models/{model}", retrieve)]
