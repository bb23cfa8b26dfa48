"""Plain tensors in, plain tensors out: any ONNX model."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from api_gpu.errors import InvalidInput
from api_gpu.models.datatypes import DATATYPES, from_bytes
from api_gpu.models.pipeline import Array, Item, Limits, Pipeline, Row, TensorInfo, Tensors, expect_inputs, stacked

Contents = dict[str, Array]


class TensorPipeline(Pipeline):
    """Batches the rows of callers whose other axes agree; a model without a batch axis gets requests as they are."""

    def __init__(
        self, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo], *, batched: bool | None, max_batch: int
    ) -> None:
        self.inputs, self.outputs = tuple(inputs), tuple(outputs)
        self.batched = has_batch_axis((*inputs, *outputs)) if batched is None else batched
        self.limits = Limits(budget=max_batch, batch=max_batch if self.batched else 1)

    def split(self, inputs: Tensors) -> list[Item]:
        expect_inputs(inputs, self.inputs)
        arrays = {info.name: _checked(inputs[info.name], info) for info in self.inputs}
        if not self.batched:
            return [Item(arrays)]
        group = tuple(array.shape[1:] for array in arrays.values())
        count = len(next(iter(arrays.values())))
        return [Item({name: array[row] for name, array in arrays.items()}, group=group) for row in range(count)]

    def stack(self, items: Sequence[Item], loaded: Sequence[Any]) -> Contents:  # noqa: ARG002
        if not self.batched:
            contents: Contents = loaded[0]
            return contents
        return {info.name: stacked([content[info.name] for content in loaded]) for info in self.inputs}

    def unstack(self, outputs: Tensors, count: int) -> list[Row]:
        return super().unstack(outputs, count) if self.batched else [outputs]

    def join(self, rows: Sequence[Row]) -> dict[str, Array]:
        return super().join(rows) if self.batched else dict(rows[0])

    def examples(self) -> list[Item]:
        """Zeros; every axis of any size is 1."""
        return self.split({info.name: _zeros(info) for info in self.inputs})


def has_batch_axis(tensors: Sequence[TensorInfo]) -> bool:
    """Whether the first axis of each tensor may have any size."""
    return all(info.shape[:1] == (-1,) for info in tensors)


def _checked(array: Array, info: TensorInfo) -> Array:
    if array.dtype != DATATYPES[info.datatype]:
        raise InvalidInput(f'The input "{info.name}" must be of datatype {info.datatype}.')
    fits = len(array.shape) == len(info.shape) and all(
        wanted in {-1, given} for given, wanted in zip(array.shape, info.shape, strict=True)
    )
    if not fits:
        given, wanted = list(array.shape), list(info.shape)
        raise InvalidInput(f'The input "{info.name}" has the shape {given}; the model takes {wanted}.')
    return from_bytes(array, info.name) if info.datatype == "BYTES" else array


def _zeros(info: TensorInfo) -> Array:
    shape = [abs(size) for size in info.shape]
    return np.full(shape, b"", object) if info.datatype == "BYTES" else np.zeros(shape, DATATYPES[info.datatype])
