"""Model folders that are made in milliseconds."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

Shape = Sequence[int | str]


def graph(
    nodes: Sequence[NodeProto],
    *,
    shape: Shape = ("batch", 2),
    out_shape: Shape | None = None,
    kind: int = TensorProto.FLOAT,
    out_kind: int | None = None,
    constants: dict[str, Any] | None = None,
) -> bytes:
    """x → y."""
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "test",
            [helper.make_tensor_value_info("x", kind, shape)],
            [helper.make_tensor_value_info("y", out_kind or kind, out_shape or shape)],
            [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()],
        ),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=10,
    )
    return bytes(model.SerializeToString())


def node(operator: str, *inputs: str, **attributes: Any) -> NodeProto:
    return helper.make_node(operator, inputs, ["y"], **attributes)


def adding(number: float, **options: Any) -> bytes:
    """y = x + number"""
    return graph([node("Add", "x", "number")], constants={"number": np.float32(number)}, **options)


def looking_up(length: int) -> bytes:
    """y = 10 · x, for x in 0 … length - 1; anything else makes the whole batch fail."""
    table = np.arange(length, dtype=np.int64) * 10
    return graph([node("Gather", "table", "x")], shape=("batch",), kind=TensorProto.INT64, constants={"table": table})


def write(
    models_dir: Path, name: str, model: bytes | None, version: str = "1", definition: dict[str, Any] | str | None = None
) -> Path:
    """A model's folder, or another version in it."""
    folder = models_dir / name
    (folder / version).mkdir(parents=True, exist_ok=True)
    if model is not None:
        (folder / version / "model.onnx").write_bytes(model)
    if definition is not None:
        text = definition if isinstance(definition, str) else json.dumps(definition)
        (folder / "model.json").write_text(text, encoding="utf-8")
    return folder
