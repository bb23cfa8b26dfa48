"""NVIDIA's own client gets along with us, from health to unloading."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from tritonclient.http import InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from service_wire.elements import Array
from tests.gpu_server.caller import Triton
from tests.gpu_server.watched import ARRAYS, Watched

TEXTS = np.array([b"one", "zwölf".encode(), b"three words here"], np.object_)


@pytest.fixture
def triton(gpu_url: str, engine: Watched, service_key: dict[str, Any]) -> Iterator[Triton]:
    with Triton(gpu_url, service_key) as client:
        yield client


def tensor(name: str, array: Array, *, binary: bool = True) -> Any:
    made = InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    return made.set_data_from_numpy(array, binary_data=binary)


def pair(*, binary: bool = True) -> list[Any]:
    first, second = np.arange(8, dtype=np.int32).reshape(2, 4), np.ones((2, 4), np.int32)
    return [tensor("INPUT0", first, binary=binary), tensor("INPUT1", second, binary=binary)]


def test_the_server_says_what_it_is(triton: Triton) -> None:
    assert triton.is_server_live()
    assert triton.is_server_ready()
    metadata = triton.get_server_metadata()
    assert metadata["name"] == "api-gpu"
    assert "binary_tensor_data" in metadata["extensions"]


def test_a_server_without_its_device_is_alive_and_not_ready(triton: Triton, engine: Watched) -> None:
    engine.device_problem = "DEVICE is cuda, and there is none"
    try:
        assert triton.is_server_live()
        assert not triton.is_server_ready()
    finally:
        engine.device_problem = None


@pytest.mark.parametrize("version", ["", "2"], ids=["any version", "version 2"])
def test_a_model_says_what_it_takes(triton: Triton, version: str) -> None:
    metadata = triton.get_model_metadata("add-sub", version)
    assert (metadata["name"], metadata["versions"], metadata["platform"]) == ("add-sub", ["1", "2"], "onnxruntime_onnx")
    assert metadata["inputs"][0] == {"name": "INPUT0", "datatype": "INT32", "shape": [-1, 4]}
    assert metadata["outputs"][1]["name"] == "OUTPUT1"


@pytest.mark.parametrize("binary_in", [True, False], ids=["binary in", "JSON in"])
@pytest.mark.parametrize("binary_out", [True, False], ids=["binary out", "JSON out"])
def test_tensors_go_both_ways_in_both_forms(triton: Triton, binary_in: bool, binary_out: bool) -> None:
    outputs = [InferRequestedOutput(name, binary_data=binary_out) for name in ("OUTPUT1", "OUTPUT0")]
    result = triton.infer("add-sub", pair(binary=binary_in), outputs=outputs, request_id="r-1")
    assert result.as_numpy("OUTPUT0").tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert result.as_numpy("OUTPUT1").tolist() == [[-1, 0, 1, 2], [3, 4, 5, 6]]
    response = result.get_response()
    assert (response["id"], response["model_name"]) == ("r-1", "add-sub")
    assert [output["name"] for output in response["outputs"]] == ["OUTPUT1", "OUTPUT0"]
    assert all(("data" in output) is not binary_out for output in response["outputs"])


def test_the_forms_may_be_mixed(triton: Triton) -> None:
    inputs = [pair(binary=True)[0], pair(binary=False)[1]]
    outputs = [InferRequestedOutput("OUTPUT0", binary_data=False), InferRequestedOutput("OUTPUT1", binary_data=True)]
    result = triton.infer("add-sub", inputs, outputs=outputs)
    assert result.as_numpy("OUTPUT0")[0].tolist() == [1, 2, 3, 4]
    assert result.as_numpy("OUTPUT1")[0].tolist() == [-1, 0, 1, 2]


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_version_may_be_chosen(triton: Triton, version: str) -> None:
    result = triton.infer("add-sub", pair(), model_version=version)
    assert result.get_response()["model_version"] == version


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "JSON"])
@pytest.mark.parametrize("datatype", ARRAYS)
def test_every_datatype_goes_there_and_back(triton: Triton, datatype: str, binary: bool) -> None:
    array = ARRAYS[datatype]
    outputs = [InferRequestedOutput("y", binary_data=binary)]
    result = triton.infer(datatype, [tensor("x", array, binary=binary)], outputs=outputs).as_numpy("y")
    expected = array if binary or datatype != "BYTES" else np.vectorize(bytes.decode, otypes="O")(array)
    assert result.shape == array.shape
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("request_coding", [None, "gzip", "deflate"])
@pytest.mark.parametrize("response_coding", [None, "gzip", "deflate"])
def test_bodies_may_be_packed(triton: Triton, request_coding: str | None, response_coding: str | None) -> None:
    array = np.arange(50_000, dtype=np.int32).reshape(50, 1000)
    result = triton.infer(
        "INT32",
        [tensor("x", array)],
        request_compression_algorithm=request_coding,
        response_compression_algorithm=response_coding,
    )
    np.testing.assert_array_equal(result.as_numpy("y"), array)


def test_text_becomes_vectors(triton: Triton) -> None:
    vectors = triton.infer("text-embedding", [tensor("text", TEXTS)]).as_numpy("embedding")
    assert vectors.shape == (3, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)


def test_several_requests_may_be_under_way(triton: Triton) -> None:
    under_way = [triton.async_infer("add-sub", pair()) for _ in range(4)]
    assert [request.get_result().as_numpy("OUTPUT0")[0, 0] for request in under_way] == [1] * 4


def test_a_model_is_loaded_listed_and_unloaded(triton: Triton) -> None:
    def ready() -> list[str]:
        index = triton.get_model_repository_index()
        return [entry["version"] for entry in index if (entry["name"], entry["state"]) == ("add-sub", "READY")]

    triton.unload_model("add-sub")
    assert not triton.is_model_ready("add-sub")
    assert ready() == []
    triton.load_model("add-sub")
    assert triton.is_model_ready("add-sub")
    assert triton.is_model_ready("add-sub", "2")
    assert not triton.is_model_ready("add-sub", "1")
    assert not triton.is_model_ready("add-sub", "3")
    assert ready() == ["2"]
    triton.unload_model("add-sub")
    assert not triton.is_model_ready("add-sub")


def test_configuration_and_statistics_are_there(triton: Triton) -> None:
    for version in ("1", "2"):
        triton.infer("add-sub", pair(), model_version=version)
        config = triton.get_model_config("add-sub", version)
        assert (config["name"], config["max_batch_size"]) == ("add-sub", 64)
    assert {entry["version"] for entry in triton.get_inference_statistics("add-sub")["model_stats"]} == {"1", "2"}
    (of_version,) = triton.get_inference_statistics("add-sub", "2")["model_stats"]
    assert (of_version["version"], of_version["inference_count"] >= 2) == ("2", True)
    assert len(triton.get_inference_statistics()["model_stats"]) > 1


FAILURES: dict[str, tuple[Callable[[Triton], Any], str, str]] = {
    "no model": (lambda triton: triton.infer("none", pair()), "404", 'There is no model "none"'),
    "no version": (lambda triton: triton.infer("add-sub", pair(), model_version="9"), "404", 'no version "9"'),
    "no input": (lambda triton: triton.infer("add-sub", pair()[:1]), "400", "INPUT1"),
    "no output": (
        lambda triton: triton.infer("add-sub", pair(), outputs=[InferRequestedOutput("OUTPUT2")]),
        "400",
        "no output 'OUTPUT2'; it has OUTPUT0, OUTPUT1",
    ),
    "classes": (
        lambda triton: triton.infer("add-sub", pair(), outputs=[InferRequestedOutput("OUTPUT0", class_count=3)]),
        "400",
        "'classification' is not served",
    ),
    "full": (lambda triton: triton.infer("full", pair()), "429", "is full"),
    "cannot load": (lambda triton: triton.load_model("broken"), "503", "cannot load it"),
    "load nothing": (lambda triton: triton.load_model("none"), "404", 'There is no model "none"'),
    "another configuration": (lambda triton: triton.load_model("add-sub", config="{}"), "400", "parameters"),
    "unload nothing": (lambda triton: triton.unload_model("none"), "404", "There is no model"),
    "configuration of no version": (lambda triton: triton.get_model_config("add-sub", "9"), "404", 'no version "9"'),
    "metadata of nothing": (lambda triton: triton.get_model_metadata("none"), "404", "There is no model"),
    "statistics of nothing": (lambda triton: triton.get_inference_statistics("none"), "404", "There is no model"),
    "not served": (lambda triton: triton.get_trace_settings(), "404", "Not Found"),
    "shared memory": (lambda triton: triton.infer("add-sub", [in_shared_memory()]), "400", "shared memory"),
}


def in_shared_memory() -> Any:
    made = InferInput("INPUT0", [1], "INT32")
    made.set_shared_memory("region", 4)
    return made


@pytest.mark.parametrize("failure", FAILURES)
def test_errors_reach_the_client_as_they_are_meant(triton: Triton, failure: str) -> None:
    act, status, reason = FAILURES[failure]
    with pytest.raises(InferenceServerException) as refused:
        act(triton)
    assert refused.value.status() == status
    assert reason in refused.value.message()
