"""A thin layer over `onnx.helper` for writing graphs as code."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 20  # LayerNormalization (17), antialiased Resize (18), Gelu (20)
IR_VERSION = 10

Tensor = tuple[int, Sequence[int | str]]
"""An element type of `TensorProto`, and a shape whose names stand for any size."""


class Graph:
    """Operators in the order in which they are added. Each call gives the name of its first output."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}

    def constant(self, name: str, value: Any, dtype: Any = np.int64) -> str:
        """A constant; a name that is taken stands for the same value."""
        if name not in self._constants:
            array = np.ascontiguousarray(np.asarray(value, dtype)).reshape(np.shape(value))
            self._constants[name] = numpy_helper.from_array(array, name)
        return name

    def op(self, operator: str, *inputs: str, name: str, more: Sequence[str] = (), **attributes: Any) -> str:
        """https://onnx.ai/onnx/operators/

        Args:
            more: names for further outputs.
        """
        self._nodes.append(helper.make_node(operator, inputs, [name, *more], name=name, **attributes))
        return name

    def model(self, name: str, inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor]) -> bytes:
        """The serialized model: the same graph gives the same bytes."""
        graph = helper.make_graph(
            self._nodes,
            name,
            [helper.make_tensor_value_info(key, *value) for key, value in inputs.items()],
            [helper.make_tensor_value_info(key, *value) for key, value in outputs.items()],
            list(self._constants.values()),
        )
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION, producer_name="api_gpu")
        return bytes(model.SerializeToString(deterministic=True))


__all__ = ["Graph", "TensorProto"]
