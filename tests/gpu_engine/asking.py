"""Requests to an engine."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from api_gpu.engine import Engine


def column(values: Sequence[Any]) -> NDArray[Any]:
    """Bytes as they come off the wire."""
    array = np.empty(len(values), object)
    array[:] = [value.encode() if isinstance(value, str) else value for value in values]
    return array


async def embed(engine: Engine, *texts: str | bytes) -> NDArray[np.float32]:
    answer = await engine.infer("text-embedding", None, {"text": column(texts)})
    return np.asarray(answer.outputs["embedding"])


async def ask(engine: Engine, model: str, x: Any, version: str | None = None, **options: Any) -> NDArray[Any]:
    """A model of tensors with one input, `x`, and one output, `y`."""
    answer = await engine.infer(model, version, {"x": np.asarray(x)}, **options)
    return np.asarray(answer.outputs["y"])
