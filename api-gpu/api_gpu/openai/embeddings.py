"""`POST /v1/embeddings`: texts in, vectors out, in the order of the texts."""

from base64 import b64encode
from collections.abc import Sequence

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from api_gpu.addressed import engine_of
from api_gpu.bodies import read_body
from api_gpu.engine import Engine, ModelMetadata
from api_gpu.openai.errors import InvalidParameter
from api_gpu.openai.schemas import EmbeddingsRequest
from api_gpu.patience import deadline_of, while_connected
from service_wire.elements import Array

INPUT, OUTPUT = "text", "embedding"
"""A model that takes the one as BYTES [n] and gives the other as FP32 [n, dimensions] can be used here."""


async def embed(request: Request) -> Response:
    """Embed texts. Raises whatever of `api_gpu.errors` the engine does, and `InvalidParameter`."""
    async with deadline_of(request) as deadline:
        asked = EmbeddingsRequest.parse(await read_body(request))
        return await while_connected(request, _embed(engine_of(request), asked, deadline))


async def _embed(engine: Engine, asked: EmbeddingsRequest, deadline: float | None) -> Response:
    _check(asked, await engine.metadata(asked.model, None))
    inputs = {INPUT: np.array(asked.texts, np.object_)}
    result = await engine.infer(asked.model, None, inputs, deadline=deadline)
    vectors = _in_base64(result.outputs[OUTPUT]) if asked.base64 else result.outputs[OUTPUT].tolist()
    return JSONResponse(
        {
            "object": "list",
            "model": asked.model,
            "data": [
                {"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)
            ],
            "usage": {"prompt_tokens": result.tokens, "total_tokens": result.tokens},
        }
    )


def _check(asked: EmbeddingsRequest, model: ModelMetadata) -> None:
    outputs = {tensor.name: tensor for tensor in model.outputs}
    if OUTPUT not in outputs or INPUT not in {tensor.name for tensor in model.inputs}:
        raise InvalidParameter("model", f"The model '{asked.model}' makes no embeddings of text.")
    width = outputs[OUTPUT].shape[-1]
    if asked.dimensions not in (None, width):
        raise InvalidParameter("dimensions", f"The embeddings of the model '{asked.model}' have {width} dimensions.")


def _in_base64(vectors: Array) -> Sequence[str]:
    """Each vector's floats of 32 bits, little-endian, in base64."""
    return [b64encode(vector.astype("<f4", copy=False).tobytes()).decode() for vector in vectors]


routes = [Route("/v1/embeddings", embed, methods=["POST"])]
