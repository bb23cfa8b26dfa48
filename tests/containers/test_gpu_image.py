"""api-gpu's image, built for the CPU in a clean folder, and its container as docker-compose.yml would start it."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from local_stack import processes
from service_wire.service_token import ServiceTokenIssuer, generate_key, public_keys
from tests.containers.compose import GPU_DOCKERFILE, environment_of, read_compose
from tests.containers.image import Image
from tests.ports import free_port

SECONDS = 60
KEY = generate_key()
DEVICE: str = read_compose()["services"]["api-gpu"]["build"]["args"]["DEVICE"]
INTRUDER = ["python", "-c", "open('/app/api-gpu/api_gpu/main.py', 'a')"]
PARENTS_MEMORY = 30 * 1024 * 1024


def test_the_image_sleeps_wakes_embeds_without_rights_and_stops(tmp_path: Path) -> None:
    image = Image(tmp_path / "image", free_port(), GPU_DOCKERFILE, DEVICE=DEVICE)
    image.build()
    given = {"SERVICE_TOKEN_KEYS": json.dumps(public_keys(KEY)), "THREADS": "1"}
    with _container(image, environment_of("api-gpu", given)) as container:
        sleeping = processes.Process(container.pid)
        assert sleeping.children() == []
        assert sleeping.memory_info().rss < PARENTS_MEMORY
        url = f"http://127.0.0.1:{image.port}/v1/embeddings"
        assert httpx.post(url).status_code == 401
        answer = httpx.post(url, json={"model": "text-embedding", "input": "hello"}, headers=_token(), timeout=SECONDS)
        assert len(answer.json()["data"][0]["embedding"]) == 384
        everybody = processes.family(container.pid)
    assert container.returncode == 0
    assert processes.wait_gone(everybody, SECONDS)
    if image.account is not None:
        assert "Permission denied" in image.start(INTRUDER, {}).communicate(timeout=SECONDS)[0]


def _token() -> dict[str, str]:
    return {"Authorization": f"Bearer {ServiceTokenIssuer(KEY).issue('POST /v1/embeddings')}"}


@contextmanager
def _container(image: Image, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """The image's own command, once its own health check says that it is well, and until it has stopped."""
    process = image.start(image.runtime.command, environment)
    try:
        deadline = time.monotonic() + SECONDS
        while not _is_well(image):
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline, "it was not healthy in time"
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=SECONDS)


def _is_well(image: Image) -> bool:
    check = image.start(image.runtime.health_check, {})
    check.communicate(timeout=SECONDS)
    return check.returncode == 0
