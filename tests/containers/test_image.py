"""The image's steps in a clean folder, and the containers that docker-compose.yml would start from it."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from api_main.auth.generate import generate_signing_key
from service_wire.service_token import generate_key
from tests.containers.compose import environment_of, read_compose
from tests.containers.image import Image
from tests.patience import PATIENCE, wait_until
from tests.ports import free_port
from tests.postgres_servers import PASSWORD, Server, start_server
from tests.redis_server import running_redis

MIGRATE: list[str] = read_compose()["services"]["migrate"]["command"]
INTRUDER = ["python", "-c", "open('/app/api-main/api_main/main.py', 'a')"]
NEW_ACCOUNT = {"email": "ada@example.com", "password": "correct-horse-battery"}


def test_the_image_migrates_serves_without_rights_reports_its_health_and_stops(tmp_path: Path) -> None:
    port = free_port()
    image = Image(tmp_path / "image", port)
    image.build()
    with start_server(18, tmp_path / "postgres") as server, running_redis(tmp_path) as redis:
        assert _run(image, MIGRATE, _environment("migrate", server)) == (0, "")
        assert _run(image, MIGRATE, _environment("migrate", server)) == (0, "")
        assert _run(image, image.runtime.health_check, {})[0] != 0
        with _api(image, _environment("api-main", server) | {"REDIS_URL": redis.url}) as api:
            _assert_serves(f"http://127.0.0.1:{port}")
        _assert_stopped(api)
    if image.account is not None:
        assert "Permission denied" in _run(image, INTRUDER, {})[1]


def _environment(service: str, server: Server) -> dict[str, str]:
    """What compose would hand over, with the address of our server instead of a container's."""
    given = {
        "POSTGRES_PASSWORD": PASSWORD,
        "API_MAIN_PASSWORD": "of-the-api",
        "REDIS_PASSWORD": "of-redis",
        "JWT_SIGNING_KEYS": json.dumps([generate_signing_key()]),
        "GPU_SIGNING_KEY": json.dumps(generate_key()),
        "EMAIL_AUTOCONFIRM": "true",
    }
    address = f"@127.0.0.1:{server.port}/"
    return {name: value.replace("@postgres:5432/", address) for name, value in environment_of(service, given).items()}


def _run(image: Image, command: list[str], environment: dict[str, str]) -> tuple[int, str]:
    process = image.start(command, environment)
    said, _ = process.communicate(timeout=PATIENCE)
    return process.returncode, said


@contextmanager
def _api(image: Image, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """The image's own command, once its own health check says that it is well."""
    process = image.start(image.runtime.command, environment)
    try:
        wait_until(lambda: _is_healthy(image, process))
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)


def _is_healthy(image: Image, api: subprocess.Popen[str]) -> bool:
    assert api.poll() is None, api.communicate()[0]
    return _run(image, image.runtime.health_check, {})[0] == 0


def _assert_serves(url: str) -> None:
    with httpx.Client(base_url=url, timeout=PATIENCE) as client:
        assert client.get("/health/ready").status_code == 200
        registered = client.post("/api/v1/auth/register", json=NEW_ACCOUNT)
        assert registered.status_code == 201, registered.text
        token = registered.json()["data"]["access_token"]
        tasks = client.get("/api/v1/tasks", headers={"Authorization": f"Bearer {token}"})
        assert (tasks.status_code, tasks.json()["data"]) == (200, [])


def _assert_stopped(api: subprocess.Popen[str]) -> None:
    """In good order: uvicorn ends by the signal it was sent, which as a container's process 1 means with 0."""
    assert api.returncode in {0, -signal.SIGTERM}
    said, _ = api.communicate()
    lines = [json.loads(line) for line in said.splitlines()]
    assert "stopped" in {line["event"] for line in lines}
    assert NEW_ACCOUNT["password"] not in json.dumps(lines)
