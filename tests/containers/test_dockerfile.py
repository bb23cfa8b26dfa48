"""Both Dockerfiles, as far as they can be read: a linter's rules, and what they must not be without."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.containers.compose import DOCKERFILE, GPU_DOCKERFILE, ROOT
from tests.containers.dockerfile import Stage, read_stages

FILES = {"api-main": DOCKERFILE, "api-gpu": GPU_DOCKERFILE}
IGNORE_FILE = ROOT / ".dockerignore"
LOCKS = {"/build/bootstrap.lock", "/build/requirements.lock", "/build/requirements-${DEVICE}.lock"}
COMMANDS = {"api-main": ["uvicorn", "api_main.main:app"], "api-gpu": ["python", "-m", "api_gpu"]}


@pytest.fixture(params=FILES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def builder(name: str) -> Stage:
    return read_stages(FILES[name])[0]


@pytest.fixture
def runtime(name: str) -> Stage:
    return read_stages(FILES[name])[1]


def test_the_linter_finds_nothing(name: str) -> None:
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([linter, "--no-color", FILES[name]], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_is_a_slim_python_and_holds_no_build_tools(builder: Stage, runtime: Stage) -> None:
    assert re.fullmatch(r"python:3\.\d+-slim-\w+", runtime.base)
    assert builder.base == runtime.base, "a virtual environment belongs to one Python"
    assert runtime.all("COPY") == ["--from=builder /app /app"]


def test_it_runs_as_a_user_that_is_not_root_and_that_exists(runtime: Stage) -> None:
    (create,) = (command for command in runtime.all("RUN") if command.startswith("useradd"))
    uid, _, gid = runtime.last("USER").partition(":")
    assert int(uid) > 0
    assert f"--uid {uid} --user-group" in create
    assert gid == uid


def test_nothing_but_the_packages_themselves_is_installed_without_a_hash(builder: Stage) -> None:
    installs = [command for command in builder.all("RUN") if "install" in command]
    for command in installs[:-1]:
        assert "--require-hashes" in command
        assert LOCKS & set(command.split())
    assert "--offline" in installs[-1]
    assert "--no-deps" in installs[-1]


@pytest.mark.parametrize(
    "lock",
    [
        "scripts/bootstrap.lock",
        "api-main/requirements.lock",
        "api-gpu/requirements.lock",
        "api-gpu/requirements-gpu.lock",
    ],
)
def test_a_lock_pins_everything_with_hashes_and_names_no_machine(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    pins = re.findall(r"^[a-z0-9][^\n]*\\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", text, re.MULTILINE)
    assert len(pins) == len(re.findall(r"^[a-z0-9]", text, re.MULTILINE)) > 0
    assert not re.search(r"://|--index|--find-links|\s/\w", text)


def test_the_context_holds_what_is_copied_and_hardly_more() -> None:
    rules = [line for line in IGNORE_FILE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    assert rules[0] == "*"
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    builders = [read_stages(file)[0] for file in FILES.values()]
    copied = {argument.split()[0] for builder in builders for argument in builder.all("COPY")}
    assert {
        source for source in copied if not any(source == path or source.startswith(f"{path}/") for path in allowed)
    } == set()
    assert allowed <= copied


def test_it_stops_on_a_signal_that_the_server_understands_and_says_how_it_is(name: str, runtime: Stage) -> None:
    assert runtime.last("STOPSIGNAL") == "SIGTERM"
    assert runtime.command[: len(COMMANDS[name])] == COMMANDS[name]
    assert "/health/live" in runtime.health_check[-1]


def test_the_server_believes_no_proxy_by_itself() -> None:
    """Whom to believe, TRUSTED_PROXIES says."""
    assert "--no-proxy-headers" in read_stages(DOCKERFILE)[-1].command


def test_production_is_the_images_own_environment() -> None:
    assert read_stages(DOCKERFILE)[1].environment["ENVIRONMENT"] == "production"


def test_the_gpu_image_runs_on_gpus_unless_it_is_built_for_the_cpu() -> None:
    builder, runtime = read_stages(GPU_DOCKERFILE)
    assert builder.arguments == {"DEVICE": "gpu"}
    copied = {target: source for source, target in map(str.split, builder.all("COPY"))}
    locks = {
        device: (ROOT / copied[f"/build/requirements-{device}.lock"]).read_text(encoding="utf-8")
        for device in ("cpu", "gpu")
    }
    assert "\nonnxruntime-gpu==" in locks["gpu"]
    assert "\nonnxruntime==" in locks["cpu"]
    assert "\nnvidia-" not in locks["cpu"]
    assert runtime.environment["NVIDIA_VISIBLE_DEVICES"] == "all"


def test_the_gpu_image_may_write_where_it_builds_models_and_nowhere_else() -> None:
    runtime = read_stages(GPU_DOCKERFILE)[1]
    (create,) = runtime.all("RUN")
    assert "install --directory --owner=10001 --group=10001 /cache" in create
    assert runtime.all("VOLUME") == ['["/cache"]']
    assert runtime.environment["CACHE_DIR"] == "/cache"
