"""What goes out comes back the same, whatever it is and in either form."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_wire.elements import DTYPES
from service_wire.tensors import (
    HEADER_LENGTH,
    InferRequest,
    InferResponse,
    RequestedOutput,
    Tensor,
    WireError,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
)
from tests.service_wire.arrays import UNHURRIED, assert_same, tensors


def header_length(headers: dict[str, str]) -> int | None:
    return int(headers[HEADER_LENGTH]) if HEADER_LENGTH in headers else None


@UNHURRIED
@given(st.booleans().flatmap(lambda as_json: st.tuples(st.just(not as_json), tensors(as_json=as_json))))
def test_a_request_comes_back_as_it_was_sent(sent: tuple[bool, tuple[Tensor, ...]]) -> None:
    binary, inputs = sent
    outputs = (RequestedOutput("one", {"binary_data": True}), RequestedOutput("two"))
    request = InferRequest(id="r-1", inputs=inputs, outputs=outputs, parameters={"priority": 1})
    body, headers = encode_request(request, binary=binary)
    received = decode_request(body, header_length(headers))
    assert (received.id, received.outputs, dict(received.parameters)) == ("r-1", outputs, {"priority": 1})
    assert_same(received.inputs, inputs)


@UNHURRIED
@given(tensors(as_json=True), st.data())
def test_a_response_comes_back_with_its_outputs_mixed(outputs: tuple[Tensor, ...], data: st.DataObject) -> None:
    binary = {tensor.name for tensor in outputs if data.draw(st.booleans())}
    response = InferResponse(model_name="model", model_version="3", outputs=outputs)
    body, headers = encode_response(response, binary=binary)
    assert (HEADER_LENGTH in headers) == bool(binary)
    received = decode_response(body, header_length(headers))
    assert (received.model_name, received.model_version, received.id) == ("model", "3", None)
    assert_same(received.outputs, outputs)


@pytest.mark.parametrize("datatype", DTYPES)
def test_every_datatype_has_its_name_on_the_wire(datatype: str) -> None:
    element = [b"x"] if datatype == "BYTES" else [1]
    tensor = Tensor("x", np.array(element, DTYPES[datatype]))
    body, _headers = encode_request(InferRequest(id=None, inputs=(tensor,)), binary=False)
    assert json.loads(body)["inputs"][0]["datatype"] == datatype


def test_raw_bytes_are_little_endian_and_in_rows() -> None:
    array = np.array([[1, 2], [3, 4]], ">u2").T
    body, headers = encode_request(InferRequest(id=None, inputs=(Tensor("x", array),)))
    assert body[header_length(headers) :] == b"\1\0\3\0\2\0\4\0"


def test_bytes_carry_their_length_before_them() -> None:
    array = np.array([b"a", b""], np.object_)
    body, headers = encode_request(InferRequest(id=None, inputs=(Tensor("x", array),)))
    assert body[header_length(headers) :] == b"\1\0\0\0a\0\0\0\0"


def test_an_array_is_aligned_wherever_its_bytes_began() -> None:
    tensor = Tensor("x", np.arange(8, dtype=np.float64))
    for name in ("", "a", "ab", "abc"):
        body, headers = encode_request(InferRequest(id=name, inputs=(tensor,)))
        (received,) = decode_request(body, header_length(headers)).inputs
        assert received.array.flags.aligned
        assert received.array.flags.c_contiguous


@pytest.mark.parametrize("data", [[1, 2, 3, 4], [[1, 2], [3, 4]]], ids=["flat", "nested"])
def test_json_may_be_flat_or_nested(data: list[Any]) -> None:
    body = json.dumps({"inputs": [{"name": "x", "datatype": "INT8", "shape": [2, 2], "data": data}]}).encode()
    (tensor,) = decode_request(body, None).inputs
    assert tensor.array.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("for_all", "own", "binary"),
    [
        ({}, {}, False),
        ({"binary_data_output": True}, {}, True),
        ({"binary_data_output": True}, {"binary_data": False}, False),
        ({}, {"binary_data": True}, True),
    ],
    ids=["nothing is said", "of all", "of all but this", "of this"],
)
def test_what_is_said_of_one_output_counts_first(for_all: dict[str, Any], own: dict[str, Any], binary: bool) -> None:
    request = InferRequest(id=None, inputs=(), outputs=(RequestedOutput("x", own),), parameters=for_all)
    assert request.wants_binary("x") is binary
    assert request.wants_binary("another") is ("binary_data_output" in for_all)


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.array([np.nan], np.float32), "NaN or infinity"),
        (np.array([np.inf], np.float16), "NaN or infinity"),
        (np.array([b"\xff"], np.object_), "not UTF-8"),
        (np.array(["text"], np.object_), "must be bytes"),
        (np.array([1j]), "complex128 has no datatype"),
        (np.array(["text"]), "no datatype"),
    ],
    ids=["nan", "infinity", "no text", "str", "complex", "numpy text"],
)
def test_what_json_cannot_carry_is_refused_when_sent(array: Any, reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        encode_request(InferRequest(id=None, inputs=(Tensor("x", array),)), binary=False)


def test_binary_carries_what_json_cannot() -> None:
    array = np.array([np.nan, -np.inf], np.float32)
    body, headers = encode_request(InferRequest(id=None, inputs=(Tensor("x", array),)))
    np.testing.assert_array_equal(decode_request(body, header_length(headers)).inputs[0].array, array)
