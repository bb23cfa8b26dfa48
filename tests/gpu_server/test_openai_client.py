"""OpenAI's own client gets along with us."""

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import openai
import pytest
from openai import OpenAI

from api_gpu.errors import QueueFull
from api_gpu.openai.errors import openai_body
from service_wire.service_token import ServiceTokenIssuer
from tests.gpu_server.caller import Caller
from tests.patience import PATIENCE

MODEL = "text-embedding"
WIDTH = 384
NEAR = 1e-6  # alone and among others


@pytest.fixture(scope="module")
def client(gpu_url: str, service_key: dict[str, Any]) -> Iterator[OpenAI]:
    """A client with a token for embeddings."""
    token = ServiceTokenIssuer(service_key).issue("POST /v1/embeddings")
    with OpenAI(base_url=f"{gpu_url}/v1", api_key=token, max_retries=0, timeout=PATIENCE) as made:
        yield made


@pytest.fixture(scope="module")
def vector_of(caller: Caller) -> Callable[[str], Any]:
    """The vector of a text as the other protocol gives it."""

    def embed(text: str) -> Any:
        answer = caller.infer(MODEL, inputs=[{"name": "text", "datatype": "BYTES", "shape": [1], "data": [text]}])
        return answer.json()["outputs"][0]["data"]

    return embed


def test_a_text_has_a_vector(client: OpenAI, vector_of: Callable[[str], Any]) -> None:
    answer = client.embeddings.create(model=MODEL, input="two words")
    assert (answer.object, answer.model) == ("list", MODEL)
    assert (answer.data[0].object, answer.data[0].index) == ("embedding", 0)
    assert answer.data[0].embedding == pytest.approx(vector_of("two words"), abs=NEAR)
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (4, 4)  # with those at both ends


def test_texts_have_vectors_in_their_order(client: OpenAI, vector_of: Callable[[str], Any]) -> None:
    texts = [f"text {number}" for number in range(50)]
    answer = client.embeddings.create(model=MODEL, input=texts, encoding_format="float", user="somebody")
    assert [entry.index for entry in answer.data] == list(range(50))
    for number in (0, 31, 49):
        assert answer.data[number].embedding == pytest.approx(vector_of(texts[number]), abs=NEAR)
    assert answer.usage.prompt_tokens == 200


def test_base64_holds_the_same_floats(caller: Caller, vector_of: Callable[[str], Any]) -> None:
    answer = caller.post("/v1/embeddings", json={"model": MODEL, "input": "x", "encoding_format": "base64"}).json()
    raw = b64decode(answer["data"][0]["embedding"], validate=True)
    assert np.frombuffer(raw, "<f4") == pytest.approx(np.array(vector_of("x")), abs=NEAR)


def test_without_a_format_it_is_numbers(caller: Caller) -> None:
    answer = caller.post("/v1/embeddings", json={"model": MODEL, "input": "x"}).json()
    assert len(answer["data"][0]["embedding"]) == WIDTH
    assert all(isinstance(number, float) for number in answer["data"][0]["embedding"])


def test_the_models_are_listed(client: OpenAI, service_key: dict[str, Any]) -> None:
    issuer = ServiceTokenIssuer(service_key)
    listed = client.with_options(api_key=issuer.issue("GET /v1/models")).models.list().data
    assert MODEL in [model.id for model in listed]
    assert len({model.id for model in listed}) == len(listed)
    one = client.with_options(api_key=issuer.issue(f"GET /v1/models/{MODEL}")).models.retrieve(MODEL)
    assert (one.id, one.object, one.owned_by) == (MODEL, "model", "api-gpu")
    with pytest.raises(openai.NotFoundError, match='There is no model "none"'):
        client.with_options(api_key=issuer.issue("GET /v1/models/none")).models.retrieve("none")


def test_its_own_width_is_the_only_one(client: OpenAI) -> None:
    answer = client.embeddings.create(model=MODEL, input="x", dimensions=WIDTH)
    assert len(answer.data[0].embedding) == WIDTH
    with pytest.raises(openai.BadRequestError, match="have 384 dimensions") as refused:
        client.embeddings.create(model=MODEL, input="x", dimensions=WIDTH - 1)
    assert refused.value.param == "dimensions"


REFUSED: dict[str, tuple[Any, str]] = {
    "empty text": ("", "empty string"),
    "one of them empty": (["x", ""], "empty string"),
    "no text": ([], "not empty"),
    "token ids": ([1, 2, 3], "token ids"),
    "lists of token ids": ([[1, 2], [3]], "token ids"),
    "numbers among texts": (["x", 1], "Each input must be a string"),
    "an object": ({"text": "x"}, "must be a string"),
    "null": (None, "must be a string"),
    "too many": (["x"] * 2049, "may have 2048 inputs, not 2049"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_input_that_is_no_text_is_refused(client: OpenAI, case: str) -> None:
    given, reason = REFUSED[case]
    with pytest.raises(openai.BadRequestError, match=reason) as refused:
        client.embeddings.create(model=MODEL, input=given)
    assert (refused.value.param, refused.value.type) == ("input", "invalid_request_error")


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"input": "x"}, "model"),
        ({"input": "x", "model": ""}, "model"),
        ({"input": "x", "model": 1}, "model"),
        ({"input": "x", "model": "add-sub"}, "model"),
        ({"input": "\ud800", "model": MODEL}, "input"),
        ({"input": "x", "model": MODEL, "encoding_format": "hex"}, "encoding_format"),
        ({"input": "x", "model": MODEL, "encoding_format": {}}, "encoding_format"),
        ({"input": "x", "model": MODEL, "dimensions": 0}, "dimensions"),
        ({"input": "x", "model": MODEL, "dimensions": True}, "dimensions"),
    ],
    ids=[
        "no model", "empty model", "a number", "no embeddings", "half a character", "hexadecimal", "an object", "none",
        "true",
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(caller: Caller, members: dict[str, Any], param: str) -> None:
    response = caller.post("/v1/embeddings", content=json.dumps(members))
    error = response.json()["error"]
    assert (response.status_code, error["param"], error["code"]) == (400, param, "invalid_value")
    assert set(error) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"[" * 100_000], ids=["nothing", "a list", "cut off", "deep"])
def test_a_body_that_is_no_object_is_refused(caller: Caller, body: bytes) -> None:
    response = caller.post("/v1/embeddings", content=body)
    assert (response.status_code, response.json()["error"]["message"]) == (400, "The body must be a JSON object.")


def test_an_unknown_model_is_not_found(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        client.embeddings.create(model="none", input="x")
    assert (refused.value.code, refused.value.param) == ("model_not_found", "model")


def test_without_a_token_nothing_is_served(client: OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError) as refused:
        client.with_options(api_key="sk-something").embeddings.create(model=MODEL, input="x")
    assert refused.value.code == "invalid_api_key"


def test_a_full_queue_has_openais_code() -> None:
    error = QueueFull("The queue is full.", retry_after=1)
    body = {"message": "The queue is full.", "type": "requests", "param": None, "code": "rate_limit_exceeded"}
    assert openai_body(error, error.status, error.message) == {"error": body}


def test_what_is_not_there_is_said_in_openais_form(caller: Caller) -> None:
    response = caller.post("/v1/chat/completions", json={})
    assert response.status_code == 404
    assert response.json()["error"]["type"] == "invalid_request_error"
