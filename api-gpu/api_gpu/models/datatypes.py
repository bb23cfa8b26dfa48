"""Datatypes of the Open Inference Protocol, of numpy and of ONNX Runtime."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from api_gpu.errors import InvalidInput
from api_gpu.models.pipeline import Array

DATATYPES: Mapping[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype(np.uint16),
    "UINT32": np.dtype(np.uint32),
    "UINT64": np.dtype(np.uint64),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype(np.int16),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "FP16": np.dtype(np.float16),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
    "BYTES": np.dtype(object),
}

_ONNX = {"bool": "BOOL", "string": "BYTES", "float16": "FP16", "float": "FP32", "double": "FP64"}


def datatype_of(onnx_type: str) -> str | None:
    """`tensor(float)` → FP32; None for what no tensor of the protocol can hold."""
    if not onnx_type.startswith("tensor("):
        return None
    element = onnx_type.removeprefix("tensor(").removesuffix(")")
    name = _ONNX.get(element, element.upper())
    return name if name in DATATYPES else None


def from_bytes(array: Array, name: str) -> Array:
    """Text as ONNX Runtime takes it.

    Raises:
        InvalidInput: an element is not UTF-8.
    """
    try:
        return _each(array, lambda element: bytes(element).decode())
    except UnicodeDecodeError:
        raise InvalidInput(f'The input "{name}" has an element that is not UTF-8.') from None


def to_bytes(array: Array) -> Array:
    """Text as it goes over the wire."""
    return _each(array, lambda element: str(element).encode())


def _each(array: Array, convert: Any) -> Array:
    converted = np.empty(array.shape, object)
    converted.reshape(-1)[:] = [convert(element) for element in array.reshape(-1)]
    return converted
