"""Whatever comes instead of a message: one sentence, never a crash, never memory for what is not there."""

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_wire.tensors import WireError, decode_request, decode_response
from tests.service_wire.arrays import UNHURRIED

GOOD = {"name": "x", "datatype": "INT32", "shape": [2], "data": [1, 2]}


def message(raw: bytes = b"", /, **changes: Any) -> tuple[bytes, int]:
    """A request with one input, some of it changed; a change to None leaves a member out."""
    entry = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    head = json.dumps({"inputs": [entry]}).encode()
    return head + raw, len(head)


def binary(raw: bytes, /, size: Any = None, **changes: Any) -> tuple[bytes, int]:
    parameters = {"binary_data_size": len(raw) if size is None else size}
    return message(raw, data=None, parameters=parameters, **changes)


TENSORS = {
    "no name": (message(name=None), "Each input must be an object with a name"),
    "empty name": (message(name=""), "Each input must be an object with a name"),
    "no shape": (message(shape=None), "shape must be a list"),
    "shape is a number": (message(shape=2), "shape must be a list"),
    "33 axes": (message(shape=[1] * 33), "at most 32"),
    "negative axis": (message(shape=[-1]), "from 0 to"),
    "fraction of an axis": (message(shape=[2.0]), "whole number from 0"),
    "true as an axis": (message(shape=[True, 2]), "whole number from 0"),
    "axis beyond all": (message(shape=[2**31]), "from 0 to 2147483647"),
    "product overflows": (message(shape=[2**31 - 1] * 4), "has more than 2147483647 elements"),
    "product overflows but for a 0": (binary(b"", shape=[0, *[2**31 - 1] * 4]), "more than 2147483647 elements"),
    "shape promises too much": (message(shape=[2**31 - 1]), "2147483647 elements, and its data 2"),
    "no datatype": (message(datatype=None), "datatype must be one of BOOL"),
    "unknown datatype": (message(datatype="BF16"), "datatype must be one of BOOL"),
    "datatype is a list": (message(datatype=["INT8"]), "datatype must be one of BOOL"),
    "no data": (message(data=None), "data must be a list"),
    "data is text": (message(data="12"), "data must be a list"),
    "too few": (message(data=[1]), "its shape has 2 elements, and its data 1"),
    "ragged": (message(shape=[2, 2], data=[[1, 2], [3]]), "not nested as its shape says"),
    "half nested": (message(shape=[2, 1], data=[[1], 2]), "not nested as its shape says"),
    "nested deeper than its shape": (message(data=[[1], [2]]), "must be whole numbers"),
    "null": (message(data=[1, None]), "the data of INT32 must be whole numbers"),
    "object": (message(data=[1, {}]), "must be whole numbers"),
    "true as a number": (message(data=[1, True]), "must be whole numbers"),
    "fraction as a whole": (message(data=[1, 2.0]), "must be whole numbers"),
    "text as a number": (message(data=["1", "2"]), "must be whole numbers"),
    "number as text": (message(datatype="BYTES"), "the data of BYTES must be strings"),
    "number as truth": (message(datatype="BOOL"), "the data of BOOL must be true or false"),
    "text as a fraction": (message(datatype="FP32", data=["1", "2"]), "the data of FP32 must be numbers"),
    "too large": (message(data=[1, 2**31]), "does not fit into INT32"),
    "negative unsigned": (message(datatype="UINT8", data=[1, -1]), "does not fit into UINT8"),
    "too large for 64 bits": (message(datatype="UINT64", data=[1, 2**64]), "does not fit into UINT64"),
    "too large for 16 bits": (message(datatype="FP16", data=[1, 70_000]), "does not fit into FP16"),
    "too large for a double": (message(datatype="FP64", data=[1, 10**400]), "does not fit into FP64"),
    "half a surrogate pair": (message(datatype="BYTES", data=["a", "\ud800"]), "surrogate"),
    "parameters are a list": (message(parameters=[]), "The parameters of input 'x' must be an object"),
    "shared memory": (message(parameters={"shared_memory_region": "r"}), "shared memory is not served"),
    "both forms": (message(b"12345678", parameters={"binary_data_size": 8}), "and data absent"),
    "too few bytes": (binary(b"1234567"), "take 8 bytes, and 7 came"),
    "too many bytes": (binary(b"123456789"), "take 8 bytes, and 9 came"),
    "size beyond the body": (binary(b"12345678", 9), "within the 8 bytes that are left"),
    "size negative": (binary(b"12345678", -8), "within the 8 bytes"),
    "size is a fraction": (binary(b"12345678", 8.0), "must be a whole number"),
    "size is true": (binary(b"1", True), "must be a whole number"),
    "size is text": (binary(b"12345678", "8"), "must be a whole number"),
    "bytes after the last": (binary(b"123456789", 8), "1 bytes follow the last tensor"),
    "raw shape promises too much": (binary(b"1234", shape=[2**31 - 1]), "take 8589934588 bytes, and 4 came"),
    "truth of 2": (binary(b"\1\2", datatype="BOOL"), "must be a byte of 0 or 1"),
    "BYTES cut off in a length": (binary(b"\1\0\0\0aaa\0\0", datatype="BYTES"), "an element of BYTES is cut off"),
    "BYTES cut off in an element": (binary(b"\1\0\0\0a\2\0\0\0b", datatype="BYTES"), "an element of BYTES is cut off"),
    "BYTES of 4 GiB": (binary(b"\0\0\0\0\xff\xff\xff\xff", datatype="BYTES"), "an element of BYTES is cut off"),
    "BYTES with a rest": (binary(b"\0" * 9, datatype="BYTES"), "1 bytes follow its last element"),
    "BYTES promise too many": (binary(b"\0" * 8, datatype="BYTES", shape=[2**31 - 1]), "do not fit into 8 bytes"),
}

MESSAGES: dict[str, tuple[bytes, int | None, str]] = {
    "nothing": (b"", None, "not valid JSON"),
    "no JSON": (b"{", None, "not valid JSON"),
    "no UTF-8": (b'{"inputs": "\xff"}', None, "not valid JSON in UTF-8"),
    "a number of 5,000 digits": (b'{"inputs": [' + b"1" * 5000 + b"]}", None, "not valid JSON"),
    "deep": (b"[" * 100_000, None, "nested too deeply"),
    "a list": (b"[]", None, "must be a JSON object"),
    "NaN": (b'{"inputs": [NaN]}', None, "JSON has no NaN"),
    "Infinity": (b'{"inputs": [-Infinity]}', None, "JSON has no -Infinity"),
    "1e999": (
        b'{"inputs": [{"name": "x", "shape": [1], "datatype": "FP64", "data": [1e999]}]}',
        None,
        "does not fit into FP64",
    ),
    "no inputs": (b"{}", None, "inputs must be a list"),
    "inputs are an object": (b'{"inputs": {}}', None, "inputs must be a list"),
    "an input is null": (b'{"inputs": [null]}', None, "Each input must be an object"),
    "two of one name": (json.dumps({"inputs": [GOOD, GOOD]}).encode(), None, "There are two inputs 'x'"),
    "two outputs of one name": (
        b'{"inputs": [], "outputs": [{"name": "y"}, {"name": "y"}]}',
        None,
        "There are two outputs 'y'",
    ),
    "outputs are null": (b'{"inputs": [], "outputs": null}', None, "outputs must be a list"),
    "an output is text": (b'{"inputs": [], "outputs": ["y"]}', None, "Each output must be an object with a name"),
    "classes": (
        b'{"inputs": [], "outputs": [{"name": "y", "parameters": {"classification": 3}}]}',
        None,
        "'classification' is not served",
    ),
    "id is a number": (b'{"inputs": [], "id": 1}', None, "id must be a string"),
    "parameters are text": (b'{"inputs": [], "parameters": "p"}', None, "The parameters of the request"),
    "header longer than the body": (b'{"inputs": []}', 15, "is 15, and the body has 14 bytes"),
    "header of less than nothing": (b'{"inputs": []}', -1, "is -1"),
    "header cuts the JSON": (b'{"inputs": []}', 13, "not valid JSON"),
    "raw bytes without a tensor": (b'{"inputs": []}xyz', 14, "3 bytes follow the last tensor"),
}


@pytest.mark.parametrize("case", TENSORS)
def test_a_malformed_tensor_is_refused_with_one_sentence(case: str) -> None:
    (body, length), reason = TENSORS[case]
    refuses(body, length, reason)


@pytest.mark.parametrize("case", MESSAGES)
def test_a_malformed_message_is_refused_with_one_sentence(case: str) -> None:
    refuses(*MESSAGES[case])


def refuses(body: bytes, length: int | None, reason: str) -> None:
    with pytest.raises(WireError) as refused:
        decode_request(body, length)
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("case", ["shape promises too much", "raw shape promises too much", "BYTES promise too many"])
def test_a_promise_takes_no_memory(case: str) -> None:
    (body, length), _reason = TENSORS[case]
    tracemalloc.start()
    try:
        with pytest.raises(WireError):
            decode_request(body, length)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ({"outputs": []}, "model_name and model_version must be strings"),
        ({"model_name": "m", "model_version": 1, "outputs": []}, "model_name and model_version must be strings"),
        ({"model_name": "m"}, "outputs must be a list"),
    ],
    ids=["no model", "version is a number", "no outputs"],
)
def test_a_malformed_response_is_refused(head: dict[str, Any], reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        decode_response(json.dumps(head).encode(), None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["x", "INT32", "BYTES", "FP16"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*GOOD, "parameters"]), inner),
    max_leaves=12,
)


@UNHURRIED
@given(st.dictionaries(st.sampled_from(sorted(GOOD)), JSON), st.binary(max_size=12), st.integers(-1, 300))
def test_any_input_is_read_or_refused(changes: dict[str, Any], raw: bytes, cut: int) -> None:
    body, length = message(raw, **changes)
    for header_length in (None, length, cut):
        try:
            decode_request(body, header_length)
        except WireError:
            continue


@UNHURRIED
@given(st.binary(max_size=200), st.none() | st.integers(-1, 220))
def test_any_bytes_are_read_or_refused(body: bytes, length: int | None) -> None:
    for decode in (decode_request, decode_response):
        try:
            decode(body, length)
        except WireError:
            continue
