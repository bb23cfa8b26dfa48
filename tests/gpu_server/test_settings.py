"""What is wrong with the settings stops the start, in one sentence each."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from api_gpu.main import from_environment
from api_gpu.settings import Settings
from service_wire.service_token import ServiceTokenIssuer, generate_key, public_keys

KEY = generate_key()
KEYS = json.dumps(public_keys(KEY))


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that says nothing about us."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


def test_the_keys_may_be_in_a_file(tmp_path: Path, environment: pytest.MonkeyPatch) -> None:
    file = tmp_path / "keys.json"
    file.write_text(KEYS, encoding="utf-8")
    environment.setenv("SERVICE_TOKEN_KEYS_FILE", str(file))
    Settings().verifier.verify(ServiceTokenIssuer(KEY).issue("GET /v2"), "GET /v2")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, "SERVICE_TOKEN_KEYS or SERVICE_TOKEN_KEYS_FILE is required"),
        ({"SERVICE_TOKEN_KEYS": "{"}, "SERVICE_TOKEN_KEYS: a JWK or a JWK set must be a JSON object"),
        ({"SERVICE_TOKEN_KEYS": json.dumps({"keys": [KEY]})}, "SERVICE_TOKEN_KEYS: .* public keys only"),
        ({"SERVICE_TOKEN_KEYS_FILE": "nowhere"}, "SERVICE_TOKEN_KEYS_FILE: .*nowhere"),
        ({"SERVICE_TOKEN_KEYS": KEYS, "DEVICE": "tpu"}, "DEVICE: "),
        ({"SERVICE_TOKEN_KEYS": KEYS, "GPU_PORT": "70000"}, "GPU_PORT: "),
    ],
    ids=["no keys", "no JSON", "a private key", "no file", "device", "port"],
)
def test_a_process_that_cannot_start_says_why(
    environment: pytest.MonkeyPatch, changes: dict[str, Any], reason: str
) -> None:
    for name, value in changes.items():
        environment.setenv(name, value)
    with pytest.raises(SystemExit, match=reason) as ended:
        from_environment()
    assert KEY["d"] not in str(ended.value)


def test_a_private_key_is_not_repeated(environment: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(_env_file=None, service_token_keys=json.dumps({"keys": [KEY]}))
    assert KEY["d"] not in str(refused.value)


START = "import structlog, api_gpu.main as m; m.from_environment(); structlog.get_logger().info('hello', token=1)"


@pytest.mark.parametrize(("log_format", "as_json"), [("auto", True), ("console", False)])
def test_a_process_starts_with_the_keys_alone_and_logs_as_it_is_told(
    tmp_path: Path, log_format: str, as_json: bool
) -> None:
    environment = {**os.environ, "SERVICE_TOKEN_KEYS": KEYS, "LOG_FORMAT": log_format}
    command = [sys.executable, "-c", START]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("{") is as_json
    assert "hello" in done.stdout
