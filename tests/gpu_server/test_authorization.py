"""Nobody gets in without a token for exactly this request; health and metrics are for all."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api_gpu.authorization import OPEN_PATHS
from api_gpu.main import ROUTES
from service_wire.service_token import ServiceTokenIssuer, generate_key
from tests.gpu_server.watched import Watched

PATH = "/v2/models/slow/infer"
CLOSED = sorted({route.path for route in ROUTES} - OPEN_PATHS)


@pytest.fixture(scope="module")
def anybody(gpu_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gpu_url, timeout=60) as client:
        yield client


@pytest.mark.parametrize("path", sorted(OPEN_PATHS))
def test_health_and_metrics_need_no_token(anybody: httpx.Client, path: str) -> None:
    assert anybody.get(path).status_code == 200


@pytest.mark.parametrize("path", CLOSED)
def test_every_other_route_does(anybody: httpx.Client, path: str) -> None:
    for method in ("GET", "POST"):
        response = anybody.request(method, path.format(model="INT8", version="1"))
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        assert "error" in response.json()


def test_so_does_what_does_not_exist(anybody: httpx.Client) -> None:
    assert anybody.get("/anything").status_code == 401


def header(name: str, key: dict[str, Any]) -> list[tuple[str, str]]:
    token = ServiceTokenIssuer(key).issue(f"POST {PATH}")
    stranger = ServiceTokenIssuer(generate_key()).issue(f"POST {PATH}")
    elsewhere = ServiceTokenIssuer(key).issue("POST /v2/models/INT8/infer")
    of_another_method = ServiceTokenIssuer(key).issue(f"GET {PATH}")
    headers = {
        "a stranger's": [f"Bearer {stranger}"],
        "for another path": [f"Bearer {elsewhere}"],
        "for another method": [f"Bearer {of_another_method}"],
        "another scheme": [f"Basic {token}"],
        "no scheme": [token],
        "twice": [f"Bearer {token}", f"Bearer {token}"],
        "nothing": ["Bearer"],
        "no ASCII": ["Bearer zwölf.zwölf.zwölf"],
    }
    return [("Authorization", value) for value in headers[name]]


@pytest.mark.parametrize(
    "name",
    [
        "a stranger's", "for another path", "for another method", "another scheme", "no scheme", "twice", "nothing",
        "no ASCII",
    ],
)  # fmt: skip
def test_a_token_that_is_not_good_starts_nothing(
    anybody: httpx.Client, engine: Watched, service_key: dict[str, Any], name: str
) -> None:
    headers = [(key.encode(), value.encode()) for key, value in header(name, service_key)]
    response = anybody.post(PATH, json={"inputs": []}, headers=headers)
    assert response.status_code == 401
    assert engine.deadlines == []


def test_a_token_is_for_the_path_whatever_the_query(anybody: httpx.Client, service_key: dict[str, Any]) -> None:
    token = ServiceTokenIssuer(service_key).issue("GET /v2/models/add%2Dsub")
    response = anybody.get("/v2/models/add%2Dsub?x=1", headers={"Authorization": f"bearer {token}"})
    assert response.json()["name"] == "add-sub"
