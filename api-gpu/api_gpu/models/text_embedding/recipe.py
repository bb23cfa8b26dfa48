"""How the folder of `text-embedding` is made from the published weights, without torch."""

import json
from functools import partial
from pathlib import Path
from typing import Any, Literal

from api_gpu.models.build_cache import Recipe
from api_gpu.models.text_embedding import weights

NAME = "text-embedding"
MAX_TOKENS = 256  # the model's `max_seq_length`: it saw no longer text in training
SOURCES = (Path(__file__), Path(__file__).with_name("graph.py"), Path(__file__).parents[1] / "graph.py")
Precision = Literal["fp32", "fp16"]


def recipe(precision: Precision) -> Recipe:
    hashes = (digest.encode() for digest in weights.SHA256.values())
    ingredients = (precision.encode(), *hashes, *(source.read_bytes() for source in SOURCES))
    return Recipe(f"{NAME}-{precision}", ingredients, partial(build, precision=precision))


def build(folder: Path, *, precision: Precision, source: Path | None = None) -> None:
    """Write `model.json`, `tokenizer.json` and `1/model.onnx`.

    Raises:
        WeightsMissing
    """
    # Only for building: a server whose cache is warm starts without them.
    import numpy as np  # noqa: PLC0415
    from safetensors.numpy import load  # noqa: PLC0415

    from api_gpu.models.text_embedding import graph  # noqa: PLC0415

    arrays = load(weights.read(weights.WEIGHTS, source))
    model = graph.build(arrays, np.float16 if precision == "fp16" else np.float32)
    (folder / "1").mkdir()
    (folder / "1" / "model.onnx").write_bytes(model)
    (folder / "tokenizer.json").write_text(_tokenizer(weights.read(weights.TOKENIZER, source)), encoding="utf-8")
    (folder / "model.json").write_text(json.dumps(_definition(), indent=2), encoding="utf-8")


def _definition() -> dict[str, Any]:
    return {
        "description": "sentence-transformers/all-MiniLM-L6-v2: 384 dimensions, length 1",
        "license": "Apache-2.0",
        "pipeline": "text-embedding",
        "max_tokens": MAX_TOKENS,
    }


def _tokenizer(published: bytes) -> str:
    """The published tokenizer cuts at 128 tokens and pads; here a batch decides on its padding."""
    tokenizer = json.loads(published)
    tokenizer["truncation"] = tokenizer["padding"] = None
    return json.dumps(tokenizer, ensure_ascii=False)
