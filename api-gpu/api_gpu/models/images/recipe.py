"""How the folders of the three image models are made."""

import json
from functools import partial
from pathlib import Path

from api_gpu.models.build_cache import Recipe

NAMES = ("image-thumbnail", "image-normalize", "image-hash")
HERE = Path(__file__)
SOURCES = (HERE, HERE.with_name("graphs.py"), HERE.with_name("sizes.py"), HERE.parents[1] / "graph.py")


def recipe(name: str) -> Recipe:
    return Recipe(name, [source.read_bytes() for source in SOURCES], partial(build, name=name))


def build(folder: Path, *, name: str) -> None:
    """Write `model.json` and `1/model.onnx`."""
    from api_gpu.models.images import graphs  # noqa: PLC0415  only for building: it needs onnx

    graph = {
        "image-thumbnail": graphs.thumbnail,
        "image-normalize": graphs.normalize,
        "image-hash": graphs.perceptual_hash,
    }[name]
    (folder / "1").mkdir()
    (folder / "1" / "model.onnx").write_bytes(graph())
    # On the CPU, where the pictures are decoded: to move the pixels to a GPU would take longer than to resize them.
    definition = {"pipeline": name, "device": "cpu"}
    (folder / "model.json").write_text(json.dumps(definition, indent=2), encoding="utf-8")
