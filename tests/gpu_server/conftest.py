"""The application on a real socket, with the real engine, which the tests can look into."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from api_gpu.main import create_app
from api_gpu.settings import Settings
from service_wire.service_token import generate_key, public_keys
from tests.gpu_server.caller import Caller
from tests.gpu_server.watched import Watched, write_models
from tests.serving import serve

MOST = 1024 * 1024


@pytest.fixture(scope="session")
def service_key() -> dict[str, Any]:
    return generate_key()


@pytest.fixture(scope="session")
def gpu_settings(service_key: dict[str, Any], built_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    models_dir = tmp_path_factory.mktemp("models")
    write_models(models_dir)
    keys = json.dumps(public_keys(service_key))
    return Settings(
        _env_file=None,
        service_token_keys=keys,
        gpu_max_body_bytes=MOST,
        models_dir=models_dir,
        cache_dir=built_models,
    )


@pytest.fixture(scope="module")
def gpu_app(gpu_settings: Settings) -> Starlette:
    return create_app(gpu_settings, Watched)


@pytest.fixture(scope="module")
def gpu_url(gpu_app: Starlette) -> Iterator[str]:
    with serve(gpu_app) as url:
        yield url


@pytest.fixture
def engine(gpu_app: Starlette, gpu_url: str) -> Watched:
    """What the served application calls."""
    watched: Watched = gpu_app.state.engine
    watched.deadlines.clear()
    return watched


@pytest.fixture(scope="module")
def caller(gpu_url: str, service_key: dict[str, Any]) -> Iterator[Caller]:
    with Caller(gpu_url, service_key) as with_tokens:
        yield with_tokens
