"""The application on a real socket, with an engine that the tests can look into."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette

from api_gpu.main import create_app
from api_gpu.settings import Settings
from service_wire.service_token import generate_key, public_keys
from tests.gpu_server.caller import Caller
from tests.gpu_server.stand_in import StandIn
from tests.serving import serve

MOST = 1024 * 1024


@pytest.fixture(scope="session")
def service_key() -> dict[str, Any]:
    return generate_key()


@pytest.fixture(scope="session")
def gpu_settings(service_key: dict[str, Any]) -> Settings:
    keys = json.dumps(public_keys(service_key))
    return Settings(_env_file=None, service_token_keys=keys, gpu_max_body_bytes=MOST)


@pytest.fixture(scope="module")
def gpu_app(gpu_settings: Settings) -> Starlette:
    return create_app(gpu_settings, lambda _settings: StandIn())


@pytest.fixture(scope="module")
def gpu_url(gpu_app: Starlette) -> Iterator[str]:
    with serve(gpu_app) as url:
        yield url


@pytest.fixture
def engine(gpu_app: Starlette, gpu_url: str) -> StandIn:
    """What the served application calls."""
    stand_in: StandIn = gpu_app.state.engine
    stand_in.loaded.clear()
    stand_in.deadlines.clear()
    return stand_in


@pytest.fixture(scope="module")
def caller(gpu_url: str, service_key: dict[str, Any]) -> Iterator[Caller]:
    with Caller(gpu_url, service_key) as with_tokens:
        yield with_tokens
