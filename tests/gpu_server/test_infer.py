"""Inference as it is on the wire, where a client library would not show it."""

import gzip
import json
import zlib
from typing import Any

import numpy as np
import pytest
import structlog

from api_gpu.bodies import preferred_coding
from service_wire.tensors import (
    BINARY_OUTPUT,
    HEADER_LENGTH,
    InferRequest,
    RequestedOutput,
    Tensor,
    decode_response,
    encode_request,
)
from tests.gpu_server.caller import Caller
from tests.gpu_server.conftest import MOST
from tests.gpu_server.watched import Watched

URL = "/v2/models/INT8/infer"
ONE = {"name": "x", "datatype": "INT8", "shape": [1], "data": [1]}
SAME = {**ONE, "name": "y"}


def test_json_in_json_out(caller: Caller) -> None:
    response = caller.infer("INT8", id="r", inputs=[ONE], parameters={"anything": "goes"})
    assert response.headers["content-type"] == "application/json"
    assert HEADER_LENGTH not in response.headers
    assert response.json() == {"model_name": "INT8", "model_version": "1", "id": "r", "outputs": [SAME]}


def test_one_output_may_be_binary_and_the_rest_not(caller: Caller) -> None:
    pair = tuple(Tensor(name, np.array([[1, 2, 3, 4]], np.int32)) for name in ("INPUT0", "INPUT1"))
    outputs = (RequestedOutput("OUTPUT1"), RequestedOutput("OUTPUT0", {"binary_data": True}))
    body, headers = encode_request(InferRequest(id=None, inputs=pair, outputs=outputs))
    response = caller.post("/v2/models/add-sub/infer", content=body, headers=headers)
    head = json.loads(response.content[: int(response.headers[HEADER_LENGTH])])
    assert head["outputs"] == [
        {"name": "OUTPUT1", "shape": [1, 4], "datatype": "INT32", "data": [0, 0, 0, 0]},
        {"name": "OUTPUT0", "shape": [1, 4], "datatype": "INT32", "parameters": {"binary_data_size": 16}},
    ]
    assert response.content.endswith(b"}" + np.array([2, 4, 6, 8], "<i4").tobytes())


def test_what_json_cannot_carry_may_be_had_as_binary(caller: Caller) -> None:
    url, tensor = "/v2/models/FP64/infer", Tensor("x", np.array([np.nan, 1]))
    body, headers = encode_request(InferRequest(id=None, inputs=(tensor,)))
    response = caller.post(url, content=body, headers=headers)
    assert (response.status_code, response.json()) == (
        400,
        {"error": "Tensor 'y': JSON cannot carry its NaN or infinity."},
    )
    body, headers = encode_request(InferRequest(id=None, inputs=(tensor,), parameters=BINARY_OUTPUT))
    response = caller.post(url, content=body, headers=headers)
    (output,) = decode_response(response.content, int(response.headers[HEADER_LENGTH])).outputs
    np.testing.assert_array_equal(output.array, tensor.array)


MALFORMED: dict[str, tuple[bytes, dict[str, str], int, str]] = {
    "nothing": (b"", {}, 400, "not valid JSON"),
    "no inputs": (b"{}", {}, 400, "inputs must be a list"),
    "negative length": (b"{}", {HEADER_LENGTH: "-1"}, 400, "whole number of bytes"),
    "length in words": (b"{}", {HEADER_LENGTH: "two"}, 400, "whole number of bytes"),
    "length of 5,000 digits": (b"{}", {HEADER_LENGTH: "1" * 5000}, 400, "whole number of bytes"),
    "length beyond the body": (b"{}", {HEADER_LENGTH: "3"}, 400, "is 3, and the body has 2 bytes"),
    "too long": (b"x" * (MOST + 1), {}, 413, f"may have {MOST} bytes"),
    "unpacks to too much": (gzip.compress(b" " * (MOST + 1)), {"Content-Encoding": "gzip"}, 413, "when unpacked"),
    "packed otherwise": (b"{}", {"Content-Encoding": "br"}, 415, "gzip or deflate, not with 'br'"),
    "packed twice": (b"{}", {"Content-Encoding": "gzip, gzip"}, 415, "gzip or deflate"),
    "not packed": (b"{}", {"Content-Encoding": "gzip"}, 400, "not what its Content-Encoding says"),
    "cut off": (gzip.compress(b"{}")[:-1], {"Content-Encoding": "gzip"}, 400, "not what its Content-Encoding says"),
    "with a rest": (gzip.compress(b"{}") + b"x", {"Content-Encoding": "gzip"}, 400, "not what its Content-Encoding"),
    "deflate is zlib": (gzip.compress(b"{}"), {"Content-Encoding": "deflate"}, 400, "not what its Content-Encoding"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_body_gets_one_clear_error(caller: Caller, case: str) -> None:
    body, headers, status, reason = MALFORMED[case]
    response = caller.post(URL, content=body, headers=headers)
    assert response.status_code == status
    assert list(response.json()) == ["error"]
    assert reason in response.json()["error"]


def test_a_body_that_grows_too_long_is_refused_without_its_length_known(caller: Caller) -> None:
    response = caller.post(URL, content=(b"x" * 65536 for _ in range(MOST // 65536 + 1)))
    assert response.status_code == 413


def test_a_queue_that_is_full_says_when_to_come_back(caller: Caller) -> None:
    response = caller.infer("full", inputs=[ONE])
    assert (response.status_code, response.headers["retry-after"]) == (429, "7")


def test_a_small_answer_is_not_packed(caller: Caller) -> None:
    response = caller.post(URL, json={"inputs": [ONE]}, headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in response.headers


def test_an_error_is_never_packed(caller: Caller) -> None:
    """tritonclient would not unpack it."""
    response = caller.post(URL, content=b"x" * 2000, headers={"Accept-Encoding": "gzip"})
    assert response.status_code == 400
    assert "content-encoding" not in response.headers


@pytest.mark.parametrize(
    ("header", "coding"),
    [
        ("", None),
        ("identity", None),
        ("br, zstd", None),
        ("gzip", "gzip"),
        ("Deflate", "deflate"),
        ("gzip, deflate, br", "gzip"),
        ("gzip;q=0.5, deflate", "deflate"),
        ("gzip;q=0", None),
        ("gzip; q=0, deflate; q=0.1", "deflate"),
        ("gzip;q=much", None),
        (" , ;", None),
    ],
)
def test_the_caller_chooses_the_coding(header: str, coding: str | None) -> None:
    assert preferred_coding(header) == coding


@pytest.mark.parametrize(("coding", "wbits"), [("gzip", 31), ("deflate", 15)])
def test_a_large_answer_is_packed_as_asked(caller: Caller, coding: str, wbits: int) -> None:
    many: dict[str, Any] = {"name": "x", "datatype": "INT32", "shape": [1, 100_000], "data": [1] * 100_000}
    request = caller.build_request(
        "POST", "/v2/models/INT32/infer", json={"inputs": [many]}, headers={"Accept-Encoding": coding}
    )
    with_token = caller.send(request, stream=True)
    packed = b"".join(with_token.iter_raw())
    assert with_token.headers["content-encoding"] == coding
    assert with_token.headers["vary"] == "Accept-Encoding"
    assert json.loads(zlib.decompress(packed, wbits))["outputs"] == [{**many, "name": "y"}]


def test_what_breaks_inside_is_an_error_in_the_same_form_and_in_the_log(
    caller: Caller, engine: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_residents", None)
    with structlog.testing.capture_logs() as events:
        response = caller.post(URL, json={"inputs": [ONE]}, headers={"X-Request-ID": "id-of-this-one"})
    assert response.status_code == 500
    assert "Something went wrong" in response.json()["error"]
    assert response.headers["x-request-id"] == "id-of-this-one"
    assert "request_failed" in {event["event"] for event in events}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/nothing", 404),
        ("GET", "/v2/", 404),
        ("GET", URL, 405),
        ("POST", "/v2/models/..%2FINT8/infer", 404),
    ],
)
def test_what_is_not_served_is_an_error_in_the_same_form(caller: Caller, method: str, path: str, status: int) -> None:
    response = caller.request(method, path)
    assert response.status_code == status
    assert list(response.json()) == ["error"]


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"ready": 1}'], ids=["a list", "cut off", "a number"])
def test_a_malformed_question_for_the_index_is_refused(caller: Caller, body: bytes) -> None:
    assert caller.post("/v2/repository/index", content=body).status_code == 400


def test_the_index_may_be_of_what_is_ready(caller: Caller) -> None:
    caller.post("/v2/repository/models/add-sub/load")
    caller.post("/v2/repository/models/INT8/unload")
    ready = caller.post("/v2/repository/index", json={"ready": True}).json()
    assert {"name": "add-sub", "version": "2", "state": "READY", "reason": ""} in ready
    assert {entry["state"] for entry in ready} == {"READY"}
    everything = caller.post("/v2/repository/index").json()
    assert {"name": "INT8", "version": "1", "state": "UNAVAILABLE", "reason": "not loaded"} in everything


@pytest.mark.parametrize(("model", "reason"), [("none", "There is no model"), ("add-sub", "is not loaded")])
def test_a_model_that_is_not_ready_says_why(caller: Caller, model: str, reason: str) -> None:
    caller.post(f"/v2/repository/models/{model}/unload")
    response = caller.get(f"/v2/models/{model}/ready")
    assert response.status_code == 400
    assert reason in response.json()["error"]


def test_a_model_called_stats_does_not_hide_the_statistics(caller: Caller) -> None:
    caller.infer("INT8", inputs=[ONE])
    assert "INT8" in {entry["name"] for entry in caller.get("/v2/models/stats").json()["model_stats"]}
