"""Triton's model repository: what is there, load, unload.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_model_repository.md
"""

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from api_gpu.addressed import engine_of, model_of
from api_gpu.bodies import read_body
from api_gpu.engine import ModelState
from api_gpu.errors import InvalidRequest
from api_gpu.patience import deadline_of, while_connected


async def index(request: Request) -> Response:
    """Every version of every model; `{"ready": true}` asks for those alone that are loaded."""
    only_ready = (await _read(request)).get("ready", False)
    if not isinstance(only_ready, bool):
        raise InvalidRequest("ready must be true or false.")
    states = engine_of(request).index()
    return JSONResponse([_described(state) for state in states if state.state == "READY" or not only_ready])


async def load(request: Request) -> Response:
    """Load a model and warm it up. Raises `ModelNotFound`, `ModelUnavailable`."""
    async with deadline_of(request):
        parameters = (await _read(request)).get("parameters")
        if parameters:
            raise InvalidRequest("A model is loaded as it stands in the repository: parameters are not served.")
        model, _version = model_of(request)
        await while_connected(request, engine_of(request).load(model))
    return Response()


async def unload(request: Request) -> Response:
    """Give a model's memory back; the next request loads it again. Raises `ModelNotFound`."""
    await _read(request)  # `unload_dependents` changes nothing, for no model depends on another
    model, _version = model_of(request)
    await engine_of(request).unload(model)
    return Response()


def _described(state: ModelState) -> dict[str, str]:
    return {"name": state.name, "version": state.version, "state": state.state, "reason": state.reason}


async def _read(request: Request) -> dict[str, Any]:
    """The body, which may be absent."""
    body = await read_body(request)
    try:
        parsed = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        raise InvalidRequest("The body must be a JSON object, or nothing.")
    return parsed


routes = [
    Route("/v2/repository/index", index, methods=["POST"]),
    Route("/v2/repository/models/{model}/load", load, methods=["POST"]),
    Route("/v2/repository/models/{model}/unload", unload, methods=["POST"]),
]
