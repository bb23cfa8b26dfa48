"""What a model takes and gives, whether it is loaded, how it is configured, what it has done."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from api_gpu.addressed import engine_of, model_of
from api_gpu.engine import TensorInfo
from api_gpu.errors import ModelNotFound, ModelUnavailable, NotReady


async def metadata(request: Request) -> Response:
    """Model metadata. Raises `ModelNotFound`, `ModelUnavailable`."""
    found = await engine_of(request).metadata(*model_of(request))
    return JSONResponse(
        {
            "name": found.name,
            "versions": list(found.versions),
            "platform": found.platform,
            "inputs": [_described(tensor) for tensor in found.inputs],
            "outputs": [_described(tensor) for tensor in found.outputs],
        }
    )


async def ready(request: Request) -> Response:
    """200 if the model would answer at once.

    Raises:
        NotReady: it is not loaded, cannot be, or is not there.
    """
    model, version = model_of(request)
    try:
        is_ready = engine_of(request).is_ready(model, version)
    except (ModelNotFound, ModelUnavailable) as error:
        raise NotReady(error.message) from None
    if not is_ready:
        raise NotReady(f"The model '{model}' is not loaded.")
    return JSONResponse({"name": model, "ready": True})


async def config(request: Request) -> Response:
    """The model's configuration in Triton's form. Raises `ModelNotFound`, `ModelUnavailable`."""
    return JSONResponse(engine_of(request).config(*model_of(request)))


async def statistics(request: Request) -> Response:
    """What one model, or all of them, have done since the start, in Triton's form. Raises `ModelNotFound`."""
    model, version = request.path_params.get("model"), request.path_params.get("version")
    return JSONResponse({"model_stats": engine_of(request).statistics(model, version)})


def _described(tensor: TensorInfo) -> dict[str, object]:
    return {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)}


def _with_and_without_version(path: str, endpoint: Callable[[Request], Awaitable[Response]]) -> list[Route]:
    return [Route(f"/v2/models/{{model}}{middle}{path}", endpoint) for middle in ("", "/versions/{version}")]


routes = [
    Route("/v2/models/stats", statistics),  # before the model that could have this name
    *_with_and_without_version("/stats", statistics),
    *_with_and_without_version("/config", config),
    *_with_and_without_version("/ready", ready),
    *_with_and_without_version("", metadata),
]
