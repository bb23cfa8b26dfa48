"""What a model needs around its graph: from a caller's tensors to batches, and from a batch back to the callers.

`split` runs once for each request, when it arrives; the rest runs once for each batch, when the device is free. All of
it runs in worker threads.
"""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from api_gpu.errors import InvalidInput

Array = NDArray[Any]
Tensors = Mapping[str, Array]
Row = Mapping[str, Any]
"""The outputs of one item, without the batch axis: arrays, or bytes."""


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A tensor's name, its datatype in the Open Inference Protocol, and its shape; -1 is any size."""

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """One input of a request. Items of one group may share a batch, which costs their number times the largest size."""

    content: Any
    size: int = 1
    group: Hashable = None


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a model's batches may be, and how many of them may run at a time."""

    budget: int  # items times the largest size; a single item may exceed it
    batch: int  # items
    overhead: int = 0  # what starting one more batch costs, in units of size
    concurrency: int = 1


class Pipeline(ABC):
    """One kind of pre- and post-processing."""

    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    limits: Limits
    batched: bool = True
    counts_tokens: bool = False  # whether an item's size is a number of tokens

    @abstractmethod
    def split(self, inputs: Tensors) -> list[Item]:
        """The items of a request.

        Raises:
            InvalidInput
        """

    def load(self, item: Item) -> Any:
        """What has to be done for an item just before its batch, because the result is large.

        Raises:
            InvalidInput: of this item alone.
        """
        return item.content

    @abstractmethod
    def stack(self, items: Sequence[Item], loaded: Sequence[Any]) -> dict[str, Array]:
        """The graph's inputs for a batch."""

    def unstack(self, outputs: Tensors, count: int) -> list[Row]:
        """The outputs of each item of a batch.

        Raises:
            InvalidInput: the graph has no batch axis after all.
        """
        for name, array in outputs.items():
            if array.ndim == 0 or len(array) != count:
                shape = f"the shape {list(array.shape)} for a batch of {count}"
                raise InvalidInput(f'The output "{name}" has {shape}: model.json should say "batched": false.')
        return [{name: array[index] for name, array in outputs.items()} for index in range(count)]

    def finish(self, item: Item, row: Row) -> Row:  # noqa: ARG002
        """What the caller gets for an item."""
        return row

    def join(self, rows: Sequence[Row]) -> dict[str, Array]:
        """The outputs of a request."""
        return {name: column([row[name] for row in rows]) for name in rows[0]}

    @abstractmethod
    def examples(self) -> list[Item]:
        """A batch to warm up with."""


def column(values: Sequence[Any]) -> Array:
    """One tensor of many rows; bytes become a tensor of objects."""
    if isinstance(values[0], bytes):
        array = np.empty(len(values), object)
        array[:] = values
        return array
    return np.stack(values)


def stacked(arrays: Sequence[Array]) -> Array:
    """Like `np.stack`, without a copy of a single array, which may be a large picture."""
    return arrays[0][np.newaxis] if len(arrays) == 1 else np.stack(arrays)


def expect_inputs(inputs: Tensors, expected: Sequence[TensorInfo]) -> None:
    """Refuse inputs of other names, and batches that are empty or of different lengths.

    Raises:
        InvalidInput
    """
    names = [info.name for info in expected]
    for name in [*names, *inputs]:
        if name not in inputs:
            raise InvalidInput(f'The input "{name}" is missing.')
        if name not in names:
            raise InvalidInput(f'There is no input "{name}"; the model takes {", ".join(names)}.')


def elements(inputs: Tensors, name: str) -> list[bytes]:
    """The elements of an input of bytes, one for each item of the batch: [n] or [n, 1].

    Raises:
        InvalidInput
    """
    array = inputs[name]
    values = array.reshape(-1).tolist()
    if array.dtype != object or len(values) != len(array) or not all(isinstance(value, bytes) for value in values):
        raise InvalidInput(f'The input "{name}" must be of datatype BYTES and shape [{len(array)}].')
    return values
