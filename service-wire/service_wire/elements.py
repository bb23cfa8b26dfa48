"""One tensor's elements in their two forms: JSON, and raw bytes in row-major order, little-endian.

Datatypes and forms: https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
and Triton's binary tensor extension. A count is always compared with what is there before anything of its size is made.
"""

import struct
from collections.abc import Sequence
from itertools import chain
from math import prod
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]

BYTES = "BYTES"
DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    **{f"UINT{bits}": np.dtype(f"uint{bits}") for bits in (8, 16, 32, 64)},
    **{f"INT{bits}": np.dtype(f"int{bits}") for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": np.dtype(f"float{bits}") for bits in (16, 32, 64)},
    BYTES: np.dtype(np.object_),
}
DATATYPES = {dtype: name for name, dtype in DTYPES.items()}

MOST_AXES = 32
MOST_ELEMENTS = 2**31 - 1
LENGTH = struct.Struct("<I")  # stands before each element of BYTES
JSON_TYPES: dict[str, set[type]] = {"b": {bool}, "u": {int}, "i": {int}, "f": {int, float}, "O": {str}}
JSON_NAMES = {"b": "true or false", "u": "whole numbers", "i": "whole numbers", "f": "numbers", "O": "strings"}


class WireError(ValueError):
    """A message that does not follow the protocol. Its text is one sentence, fit for whoever sent it."""


def datatype_of(array: Array, name: str) -> str:
    """The protocol's name for an array's type.

    Raises:
        WireError: it has none, such as complex numbers.
    """
    datatype = DATATYPES.get(array.dtype.newbyteorder("="))
    if datatype is None:
        raise WireError(f"Tensor '{name}': {array.dtype} has no datatype in the protocol.")
    return datatype


def dtype_of(datatype: Any, name: str) -> np.dtype[Any]:
    """The NumPy type of a datatype.

    Raises:
        WireError: there is no such datatype, or it is not served (BF16).
    """
    if not isinstance(datatype, str) or datatype not in DTYPES:
        raise WireError(f"Tensor '{name}': datatype must be one of {', '.join(DTYPES)}.")
    return DTYPES[datatype]


def checked_shape(shape: Any, name: str) -> tuple[int, ...]:
    """A shape out of JSON: a list of axes, none negative, not more elements in all than can be.

    Raises:
        WireError: it is none.
    """
    if not isinstance(shape, list) or len(shape) > MOST_AXES:
        raise WireError(f"Tensor '{name}': shape must be a list of at most {MOST_AXES} whole numbers.")
    if any(type(axis) is not int or not 0 <= axis <= MOST_ELEMENTS for axis in shape):
        raise WireError(f"Tensor '{name}': each axis of its shape must be a whole number from 0 to {MOST_ELEMENTS}.")
    if prod(axis or 1 for axis in shape) > MOST_ELEMENTS:  # NumPy, too, counts an axis of 0 as 1
        raise WireError(f"Tensor '{name}': its shape has more than {MOST_ELEMENTS} elements.")
    return tuple(shape)


def to_raw(array: Array, name: str) -> bytes:
    """The raw form of an array.

    Raises:
        WireError: an element of BYTES is not bytes.
    """
    if array.dtype != DTYPES[BYTES]:
        return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    elements = _bytes_elements(array, name)
    return b"".join(part for element in elements for part in (LENGTH.pack(len(element)), element))


def from_raw(raw: memoryview, dtype: np.dtype[Any], shape: tuple[int, ...], name: str) -> Array:
    """An array out of its raw form. It may be read-only, and share the message's memory.

    Raises:
        WireError: there are more or fewer bytes than the shape says, or they are no elements of this type.
    """
    if dtype == DTYPES[BYTES]:
        return _objects(_split(raw, prod(shape), name), shape)
    if len(raw) != prod(shape) * dtype.itemsize:
        raise WireError(
            f"Tensor '{name}': its shape and datatype take {prod(shape) * dtype.itemsize} bytes, and {len(raw)} came."
        )
    if dtype == np.bool_ and raw.tobytes().translate(None, b"\0\1"):
        raise WireError(f"Tensor '{name}': each element of BOOL must be a byte of 0 or 1.")
    flat = np.frombuffer(raw, dtype.newbyteorder("<")).astype(dtype, copy=False)
    return np.require(flat.reshape(shape), requirements=["ALIGNED"])  # it began wherever the JSON ended


def to_json(array: Array, name: str) -> list[Any]:
    """The elements of an array for JSON, flat.

    Raises:
        WireError: JSON cannot carry them: NaN, infinity, or bytes that are not UTF-8.
    """
    if array.dtype == DTYPES[BYTES]:
        try:
            return [element.decode() for element in _bytes_elements(array, name)]
        except UnicodeDecodeError:
            raise WireError(f"Tensor '{name}': JSON cannot carry its bytes, which are not UTF-8.") from None
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise WireError(f"Tensor '{name}': JSON cannot carry its NaN or infinity.")
    elements: list[Any] = array.ravel().tolist()
    return elements


def from_json(data: Any, dtype: np.dtype[Any], shape: tuple[int, ...], name: str) -> Array:
    """An array out of JSON: flat in row-major order, or nested as its shape says.

    Raises:
        WireError: the elements do not fit the shape or the datatype.
    """
    elements = _flat(data, shape, name)
    if len(elements) != prod(shape):
        raise WireError(f"Tensor '{name}': its shape has {prod(shape)} elements, and its data {len(elements)}.")
    if not set(map(type, elements)) <= JSON_TYPES[dtype.kind]:
        raise WireError(f"Tensor '{name}': the data of {DATATYPES[dtype]} must be {JSON_NAMES[dtype.kind]}.")
    if dtype == DTYPES[BYTES]:
        return _objects(_encoded(elements, name), shape)
    try:
        with np.errstate(over="ignore"):
            array = np.array(elements, dtype).reshape(shape)
    except OverflowError:
        array = None
    if array is None or not np.isfinite(array).all():
        raise WireError(f"Tensor '{name}': a number does not fit into {DATATYPES[dtype]}.")
    return array


def _flat(data: Any, shape: tuple[int, ...], name: str) -> list[Any]:
    if not isinstance(data, list):
        raise WireError(f"Tensor '{name}': data must be a list.")
    if not any(type(item) is list for item in data):
        return data
    level = [data]
    for axis in shape:
        if any(type(item) is not list or len(item) != axis for item in level):
            raise WireError(f"Tensor '{name}': its data is not nested as its shape says.")
        level = list(chain.from_iterable(level))
    return level


def _encoded(elements: list[str], name: str) -> list[bytes]:
    try:
        return [element.encode() for element in elements]
    except UnicodeEncodeError:
        raise WireError(f"Tensor '{name}': half of a surrogate pair is no text.") from None


def _split(raw: memoryview, count: int, name: str) -> list[bytes]:
    if count * LENGTH.size > len(raw):
        raise WireError(f"Tensor '{name}': {count} elements of BYTES do not fit into {len(raw)} bytes.")
    elements, position = [], 0
    for _ in range(count):
        begin = position + LENGTH.size
        if begin > len(raw) or (position := begin + LENGTH.unpack_from(raw, position)[0]) > len(raw):
            raise WireError(f"Tensor '{name}': an element of BYTES is cut off.")
        elements.append(bytes(raw[begin:position]))
    if position != len(raw):
        raise WireError(f"Tensor '{name}': {len(raw) - position} bytes follow its last element.")
    return elements


def _objects(elements: Sequence[bytes], shape: tuple[int, ...]) -> Array:
    array = np.empty(len(elements), np.object_)
    array[:] = elements
    return array.reshape(shape)


def _bytes_elements(array: Array, name: str) -> list[bytes]:
    elements: list[Any] = array.ravel().tolist()
    if not all(isinstance(element, bytes) for element in elements):
        raise WireError(f"Tensor '{name}': each element of BYTES must be bytes.")
    return elements
