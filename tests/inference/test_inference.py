"""Tensors for any model: passed on as they are, for superusers and what they have given a token for."""

import json
from typing import Any

import httpx
import numpy as np
import pytest

from service_wire.tensors import HEADER_LENGTH, InferRequest, Tensor, decode_response, encode_request
from tests.conftest import NewPerson
from tests.gpu.stand_in import StandIn
from tests.people import Person
from tests.tasks.client import error_of

INFERENCE = "/api/v1/inference"
NUMBER = np.array([1.5, 2.0], dtype=np.float32)
JSON = {"inputs": [{"name": "number", "shape": [2], "datatype": "FP32", "data": [1.5, 2.0]}]}


@pytest.fixture
def http(gpu_http: httpx.AsyncClient) -> httpx.AsyncClient:
    return gpu_http


@pytest.fixture
def root(new_person: NewPerson) -> Person:
    return new_person(superuser=True)


async def token(http: httpx.AsyncClient, person: Person, *scopes: str) -> dict[str, str]:
    form = {"name": "a program", "scopes": scopes}
    answer = await http.post("/api/v1/tokens", json=form, headers=person.headers)
    return {"Authorization": f"Bearer {answer.json()['data']['token']}"}


async def test_json_goes_there_and_back(http: httpx.AsyncClient, root: Person) -> None:
    answer = await http.post(f"{INFERENCE}/double", json=JSON, headers=root.headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    said = answer.json()
    assert (said["model_name"], said["outputs"][0]["data"]) == ("double", [3.0, 4.0])


async def test_binary_tensors_go_there_and_back(http: httpx.AsyncClient, root: Person) -> None:
    asked = InferRequest(inputs=(Tensor("number", NUMBER),), parameters={"binary_data_output": True})
    body, headers = encode_request(asked)
    answer = await http.post(f"{INFERENCE}/double", content=body, headers={**root.headers, **headers})
    found = decode_response(answer.content, int(answer.headers[HEADER_LENGTH]))
    assert found.outputs[0].array.tolist() == [3.0, 4.0]


async def test_a_version_can_be_named(http: httpx.AsyncClient, gpu: StandIn, root: Person) -> None:
    await http.post(f"{INFERENCE}/double?version=7", json=JSON, headers=root.headers)
    assert gpu.asked("double")[-1] == "POST /v2/models/double/versions/7/infer"


@pytest.mark.parametrize("who", ["a person", "a superuser", "their token", "their token for tasks", "anybody's token"])
async def test_superusers_and_tokens_of_theirs_may(
    http: httpx.AsyncClient, gpu: StandIn, ada: Person, root: Person, who: str
) -> None:
    headers, expected = {
        "a person": (ada.headers, (403, "permission_denied")),
        "a superuser": (root.headers, None),
        "their token": (await token(http, root, "inference:run"), None),
        "their token for tasks": (await token(http, root, "tasks:write"), (403, "insufficient_scope")),
        "anybody's token": (await token(http, ada, "inference:run"), (403, "permission_denied")),
    }[who]
    answer = await http.post(f"{INFERENCE}/double", json=JSON, headers=headers)
    assert (None if answer.is_success else error_of(answer)[:2]) == expected
    assert bool(gpu.asked("double")) == (expected is None)


async def test_who_is_a_superuser_no_more_may_not(http: httpx.AsyncClient, root: Person, admin: Any) -> None:
    by_token = await token(http, root, "inference:run")
    admin.execute("update public.profiles set is_superuser = false where id = %s", (root.id,))
    for headers in (root.headers, by_token):
        assert (await http.post(f"{INFERENCE}/double", json=JSON, headers=headers)).status_code == 403


async def test_nobody_without_a_token_is_served(http: httpx.AsyncClient) -> None:
    assert (await http.post(f"{INFERENCE}/double", json=JSON)).status_code == 401


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("nothing", (404, "model_not_found")),
        ("..", (404, "not_found")),
        ("%2e%2e", (422, "validation_failed")),
        ("a%2fb", (404, "not_found")),
        ("a b", (422, "validation_failed")),
        ("-a", (422, "validation_failed")),
        ("a" * 101, (422, "validation_failed")),
    ],
)
async def test_a_model_has_a_name(http: httpx.AsyncClient, root: Person, model: str, expected: tuple[int, str]) -> None:
    answer = await http.post(f"{INFERENCE}/{model}", json=JSON, headers=root.headers)
    assert error_of(answer)[:2] == expected


async def test_what_the_model_refuses_is_said_in_its_words(http: httpx.AsyncClient, root: Person, gpu: StandIn) -> None:
    gpu.mood.answers_for, gpu.mood.answers = "double", [400]
    answer = await http.post(f"{INFERENCE}/double", json=JSON, headers=root.headers)
    assert error_of(answer)[:2] == (422, "inference_refused")
    assert answer.json()["error"]["message"] == "status 400"


@pytest.mark.parametrize("media_type", ["text/plain", "", "multipart/form-data; boundary=x"])
async def test_another_media_type_is_refused(http: httpx.AsyncClient, root: Person, media_type: str) -> None:
    headers = {**root.headers, "Content-Type": media_type}
    answer = await http.post(f"{INFERENCE}/double", content=json.dumps(JSON), headers=headers)
    assert error_of(answer)[:2] == (415, "unsupported_media_type")


async def test_more_than_a_large_body_is_refused(http: httpx.AsyncClient, root: Person) -> None:
    headers = {**root.headers, "Content-Type": "application/octet-stream"}
    answer = await http.post(f"{INFERENCE}/double", content=b"\x00" * (16 * 1024 * 1024 + 1), headers=headers)
    assert error_of(answer)[:2] == (413, "body_too_large")


async def test_api_gpu_away_is_a_503(http: httpx.AsyncClient, root: Person, gpu: StandIn) -> None:
    gpu.mood.cannot_start = True
    answer = await http.post(f"{INFERENCE}/double", json=JSON, headers=root.headers)
    assert error_of(answer)[:2] == (503, "gpu_unavailable")
