"""The engine behind its protocols, on a real socket: what the two tell each other fits together."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openai import OpenAI
from tritonclient.http import InferInput
from tritonclient.utils import InferenceServerException

from api_gpu.main import create_app
from api_gpu.settings import Settings
from service_wire.service_token import ServiceTokenIssuer, generate_key, public_keys
from tests.gpu_engine.asking import column
from tests.gpu_engine.pictures import encoded, photo
from tests.gpu_engine.small_models import adding, write
from tests.gpu_server.caller import Caller, Triton
from tests.serving import serve

TEXTS = column(["The weather is lovely today.", "It's so sunny outside!"])
SIMILARITY = 0.6660  # as sentence-transformers prints it


@pytest.fixture(scope="module")
def key() -> dict[str, Any]:
    return generate_key()


@pytest.fixture(scope="module")
def url(key: dict[str, Any], cache_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    models_dir = tmp_path_factory.mktemp("models")
    write(models_dir, "plus", adding(1), definition={"max_batch": 4})
    write(models_dir, "broken", b"oops")
    keys = json.dumps(public_keys(key))
    settings = Settings(
        _env_file=None, service_token_keys=keys, models_dir=models_dir, cache_dir=cache_dir, device="cpu"
    )
    with serve(create_app(settings)) as served:
        yield served


@pytest.fixture(scope="module")
def triton(url: str, key: dict[str, Any]) -> Iterator[Triton]:
    with Triton(url, key) as client:
        yield client


def tensor(name: str, array: Any, datatype: str) -> Any:
    return InferInput(name, list(array.shape), datatype).set_data_from_numpy(array)


def test_texts_are_embedded(triton: Triton) -> None:
    vectors = triton.infer("text-embedding", [tensor("text", TEXTS, "BYTES")]).as_numpy("embedding")
    assert vectors.shape == (2, 384)
    assert vectors[0] @ vectors[1] == pytest.approx(SIMILARITY, abs=6e-5)
    assert triton.is_model_ready("text-embedding")
    metadata = triton.get_model_metadata("text-embedding")
    assert metadata["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
    assert metadata["outputs"] == [{"name": "embedding", "datatype": "FP32", "shape": [-1, 384]}]


def test_openais_client_gets_the_same_vectors(url: str, key: dict[str, Any], triton: Triton) -> None:
    token = ServiceTokenIssuer(key).issue("POST /v1/embeddings")
    with OpenAI(base_url=f"{url}/v1", api_key=token, max_retries=0) as client:
        answer = client.embeddings.create(model="text-embedding", input=[text.decode() for text in TEXTS])
    vectors = triton.infer("text-embedding", [tensor("text", TEXTS, "BYTES")]).as_numpy("embedding")
    assert np.array([each.embedding for each in answer.data]) == pytest.approx(vectors, abs=1e-6)
    assert answer.usage.total_tokens == 8 + 9


def test_pictures_become_thumbnails(triton: Triton) -> None:
    inputs = [
        tensor("image", column([encoded(photo())]), "BYTES"),
        tensor("size", np.array([[64, 64]], np.int32), "INT32"),
        tensor("format", column(["webp"]), "BYTES"),
    ]
    (thumbnail,) = triton.infer("image-thumbnail", inputs).as_numpy("thumbnail")
    assert thumbnail[8:12] == b"WEBP"
    with pytest.raises(InferenceServerException, match=r"400.*image\[0\]"):
        triton.infer("image-hash", [tensor("image", column(["no picture"]), "BYTES")])


def test_models_are_loaded_and_unloaded(triton: Triton) -> None:
    assert not triton.is_model_ready("plus")
    triton.load_model("plus")
    assert triton.is_model_ready("plus", "1")
    assert triton.get_model_config("plus")["max_batch_size"] == 4
    result = triton.infer("plus", [tensor("x", np.array([[1, 2]], np.float32), "FP32")])
    assert result.as_numpy("y").tolist() == [[2, 3]]
    (statistics,) = triton.get_inference_statistics("plus")["model_stats"]
    assert (statistics["inference_count"], statistics["execution_count"]) == (1, 1)
    triton.unload_model("plus")
    assert not triton.is_model_ready("plus")


def test_a_broken_model_says_why(triton: Triton) -> None:
    with pytest.raises(InferenceServerException, match=r"503.*cannot load it"):
        triton.load_model("broken")
    states = {(entry["name"], entry["state"]) for entry in triton.get_model_repository_index()}
    assert ("broken", "UNAVAILABLE") in states


def test_the_numbers_are_there(url: str, key: dict[str, Any], triton: Triton) -> None:
    triton.infer("text-embedding", [tensor("text", TEXTS, "BYTES")])
    with Caller(url, key) as caller:
        numbers = caller.get("/metrics").text
    for line in ("batch_inputs_sum", "batch_tokens_sum", "queue_seconds_count", "tokenization_seconds_count"):
        assert f'api_gpu_{line}{{model="text-embedding"}}' in numbers
    assert 'api_gpu_queue_inputs{model="text-embedding"} 0.0' in numbers
