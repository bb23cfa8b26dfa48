"""api-main/Dockerfile, as far as it can be read: a linter's rules, and what it must not be without."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.containers.compose import DOCKERFILE, ROOT
from tests.containers.dockerfile import read_stages

BUILDER, RUNTIME = read_stages(DOCKERFILE)
IGNORE_FILE = ROOT / ".dockerignore"
LOCKS = {"/build/bootstrap.lock", "/build/requirements.lock"}


def test_the_linter_finds_nothing() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([linter, "--no-color", DOCKERFILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_is_a_slim_python_and_holds_no_build_tools() -> None:
    assert re.fullmatch(r"python:3\.\d+-slim-\w+", RUNTIME.base)
    assert BUILDER.base == RUNTIME.base, "a virtual environment belongs to one Python"
    assert RUNTIME.all("COPY") == ["--from=builder /app /app"]


def test_it_runs_as_a_user_that_is_not_root_and_that_exists() -> None:
    (create,) = (command for command in RUNTIME.all("RUN") if command.startswith("useradd"))
    uid, _, gid = RUNTIME.last("USER").partition(":")
    assert int(uid) > 0
    assert f"--uid {uid} --user-group" in create
    assert gid == uid


def test_nothing_but_the_package_itself_is_installed_without_a_hash() -> None:
    installs = [command for command in BUILDER.all("RUN") if "install" in command]
    for command in installs[:-1]:
        assert "--require-hashes" in command
        assert LOCKS & set(command.split())
    assert "--offline" in installs[-1]
    assert "--no-deps" in installs[-1]


@pytest.mark.parametrize("lock", ["scripts/bootstrap.lock", "api-main/requirements.lock"])
def test_a_lock_pins_everything_with_hashes_and_names_no_machine(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    pins = re.findall(r"^[a-z0-9][^\n]*\\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", text, re.MULTILINE)
    assert len(pins) == len(re.findall(r"^[a-z0-9]", text, re.MULTILINE)) > 0
    assert not re.search(r"://|--index|--find-links|\s/\w", text)


def test_the_context_holds_what_is_copied_and_hardly_more() -> None:
    rules = [line for line in IGNORE_FILE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    assert rules[0] == "*"
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    copied = {argument.split()[0] for argument in BUILDER.all("COPY")}
    assert {
        source for source in copied if not any(source == path or source.startswith(f"{path}/") for path in allowed)
    } == set()
    assert allowed <= copied


def test_it_stops_on_a_signal_that_the_server_understands_and_says_how_it_is() -> None:
    assert RUNTIME.last("STOPSIGNAL") == "SIGTERM"
    assert RUNTIME.command[:2] == ["uvicorn", "api_main.main:app"]
    assert "/health/live" in RUNTIME.health_check[-1]


def test_production_is_the_images_own_environment() -> None:
    assert RUNTIME.environment["ENVIRONMENT"] == "production"
