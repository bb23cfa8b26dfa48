"""Arrays of every datatype, for properties."""

from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from service_wire.elements import DTYPES, Array
from service_wire.tensors import Tensor

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""For a machine that has other things to do as well."""

SHAPES = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
NAMES = st.text(min_size=1, max_size=8).filter(lambda name: name.isprintable())
FITS_JSON = {"allow_nan": False, "allow_infinity": False}


@st.composite
def any_array(draw: st.DrawFn, *, as_json: bool) -> Array:
    """An array of any datatype, which JSON can carry if it must."""
    dtype = DTYPES[draw(st.sampled_from(sorted(DTYPES)))]
    shape = draw(SHAPES)
    if dtype.kind == "O":
        return bytes_array(draw, shape, as_json=as_json)
    elements: dict[str, Any] = FITS_JSON if as_json and dtype.kind == "f" else {}
    return draw(arrays.arrays(dtype, shape, elements=arrays.from_dtype(dtype, **elements)))


def bytes_array(draw: st.DrawFn, shape: tuple[int, ...], *, as_json: bool) -> Array:
    texts = st.text(max_size=6).map(str.encode)
    count = int(np.prod(shape))
    elements = draw(st.lists(texts if as_json else st.binary(max_size=6), min_size=count, max_size=count))
    array = np.empty(count, np.object_)
    array[:] = elements
    return array.reshape(shape)


@st.composite
def tensors(draw: st.DrawFn, *, as_json: bool) -> tuple[Tensor, ...]:
    names = draw(st.lists(NAMES, max_size=3, unique=True))
    return tuple(Tensor(name, draw(any_array(as_json=as_json)), {"note": name}) for name in names)


def assert_same(left: tuple[Tensor, ...], right: tuple[Tensor, ...]) -> None:
    assert len(left) == len(right)
    for one, other in zip(left, right, strict=True):
        assert (one.name, one.datatype, dict(one.parameters)) == (other.name, other.datatype, dict(other.parameters))
        assert one.array.shape == other.array.shape
        assert one.array.dtype == other.array.dtype
        np.testing.assert_array_equal(one.array, other.array)
