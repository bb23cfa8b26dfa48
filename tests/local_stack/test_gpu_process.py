"""api-gpu under `./scripts/dev`: there for the API, asleep until it is needed, and gone with the rest."""

import json
import signal
import time
from pathlib import Path

import httpx
import pytest

from api_gpu.settings import Settings as GpuSettings
from local_stack import processes
from service_wire.service_token import ServiceTokenIssuer
from tests.local_stack.running import Stack
from tests.ports import free_port

SECONDS = 60
NEEDS_NO_MODEL = "/v2"


def wake(stack: Stack, data: Path) -> None:
    """Call as the API would, and remember the processes that there are then."""
    key = json.loads((data / "gpu_signing_key.json").read_text(encoding="utf-8"))
    token = ServiceTokenIssuer(key).issue(f"GET {NEEDS_NO_MODEL}")
    url = address(stack) + NEEDS_NO_MODEL
    assert httpx.get(url).status_code == 401
    answer = httpx.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=SECONDS)
    assert answer.json()["name"] == "api-gpu"
    stack.family = processes.family(stack.process.pid)
    assert stack.child("api_gpu").children() != []


def address(stack: Stack) -> str:
    return stack.shown("api-gpu").split()[0]


def test_it_sleeps_and_wakes_for_the_apis_key_and_goes_with_ctrl_c_though_it_is_awake(data: Path) -> None:
    with Stack(data, IDLE_SECONDS="1").wait_until_shown() as stack:
        gpu, told = stack.child("api_gpu"), stack.child("uvicorn").environ()
        assert gpu.children() == []
        assert told["GPU_URL"] == address(stack)
        assert told["GPU_SIGNING_KEY_FILE"] == str(data / "gpu_signing_key.json")
        assert (data / "gpu_signing_key.json").stat().st_mode & 0o777 == 0o600
        assert '"d"' not in (data / "service_token_keys.json").read_text(encoding="utf-8")
        wake(stack, data)
        deadline = time.monotonic() + SECONDS
        while gpu.children():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert httpx.get(address(stack) + "/health").status_code == 200
        wake(stack, data)
        assert stack.interrupt() == 0
        assert stack.is_gone()
        assert "Traceback" not in stack.text


def test_awake_it_does_not_outlive_kill_9_and_its_port_is_its_own(data: Path, folder: Path) -> None:
    port = free_port()
    with Stack(data, GPU_PORT=port).wait_until_shown() as killed:
        wake(killed, data)
        with Stack(folder / "other", GPU_PORT=port) as other:
            assert other.exit_code() == 1
            assert other.text == (
                f"Port {port} of 127.0.0.1 cannot be used: Address already in use; set GPU_PORT to another one.\n"
            )
        killed.process.send_signal(signal.SIGKILL)
        killed.process.wait()
        with Stack(data, GPU_PORT=port).wait_until_shown() as second:
            assert killed.is_gone()
            assert address(second).endswith(f":{port}")
            assert second.interrupt() == 0


def test_one_elsewhere_is_used_instead(data: Path) -> None:
    with Stack(data, GPU_URL="http://gpu.example:8001", GPU_SIGNING_KEY="of-the-user").wait_until_shown() as stack:
        assert "api-gpu" not in stack.text
        assert stack.child("uvicorn").environ()["GPU_URL"] == "http://gpu.example:8001"
        assert not (data / "gpu.json").exists()


@pytest.mark.parametrize("name", ["models", "cache"])
def test_its_folders_are_those_of_the_example(name: str) -> None:
    assert Path(".data", name) in {
        GpuSettings.model_fields["models_dir"].default,
        GpuSettings.model_fields["cache_dir"].default,
    }
