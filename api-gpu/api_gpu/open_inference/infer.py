"""Inference: tensors in, tensors out."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api_gpu.addressed import engine_of, model_of
from api_gpu.bodies import pack, read_body
from api_gpu.errors import InvalidInput, InvalidRequest
from api_gpu.patience import deadline_of, while_connected
from service_wire.elements import Array
from service_wire.tensors import (
    HEADER_LENGTH,
    InferRequest,
    InferResponse,
    RequestedOutput,
    Tensor,
    decode_request,
    encode_response,
)


async def infer(request: Request) -> Response:
    """Run a model. Raises whatever of `api_gpu.errors` the engine does, and `WireError`."""
    model, version = model_of(request)
    async with deadline_of(request) as deadline:
        asked = decode_request(await read_body(request), _header_length(request))
        inputs = {tensor.name: tensor.array for tensor in asked.inputs}
        work = engine_of(request).infer(model, version, inputs, deadline=deadline)
        result = await while_connected(request, work)
    response = InferResponse(
        model_name=result.model_name,
        model_version=result.model_version,
        id=asked.id,
        outputs=_chosen(result.outputs, asked.outputs),
    )
    return await _render(request, asked, response)


async def _render(request: Request, asked: InferRequest, response: InferResponse) -> Response:
    binary = [tensor.name for tensor in response.outputs if asked.wants_binary(tensor.name)]
    body, headers = encode_response(response, binary=binary)
    packed, packing = await pack(body, request.headers.get("accept-encoding", ""))
    return Response(packed, headers={**headers, **packing})


def _chosen(outputs: Mapping[str, Array], requested: tuple[RequestedOutput, ...]) -> tuple[Tensor, ...]:
    """The outputs that were asked for, in that order; without a choice all of them."""
    names = [output.name for output in requested] or list(outputs)
    unknown = [name for name in names if name not in outputs]
    if unknown:
        raise InvalidInput(f"The model has no output '{unknown[0]}'; it has {', '.join(outputs)}.")
    return tuple(Tensor(name, outputs[name]) for name in names)


def _header_length(request: Request) -> int | None:
    header = request.headers.get(HEADER_LENGTH)
    if header is None:
        return None
    if not (header.isascii() and header.isdigit() and len(header) < 20):
        raise InvalidRequest(f"{HEADER_LENGTH} must be a whole number of bytes.")
    return int(header)


routes = [
    Route("/v2/models/{model}/infer", infer, methods=["POST"]),
    Route("/v2/models/{model}/versions/{version}/infer", infer, methods=["POST"]),
]
