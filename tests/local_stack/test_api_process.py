"""The API of an earlier start that nobody stopped is found again; nobody else is harmed."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local_stack import processes, programs
from local_stack.api_process import ApiProcess
from tests.local_stack.running import STAND_IN
from tests.patience import wait_until
from tests.ports import free_port


def wait_until_it_answers(api: ApiProcess) -> None:
    def answers() -> bool:
        assert api.exit_code() is None
        return api.answers("/health/ready")

    wait_until(answers)


def test_an_api_that_was_left_over_is_stopped_with_its_reloader_or_without(folder: Path) -> None:
    for lost in ("nothing", "reloader"):
        port = free_port()
        api = ApiProcess("127.0.0.1", port, folder / "api.json", STAND_IN)
        with ThreadPoolExecutor(1) as thread:  # off the main thread the kernel does not do it for us
            thread.submit(api.start, dict(os.environ)).result()
        wait_until_it_answers(api)
        group = int((folder / "api.json").read_text(encoding="utf-8").split(":")[1].split(",")[0])
        members = processes.family(group)
        assert len(members) > 1
        if lost == "reloader":
            members[0].kill()
        ApiProcess("127.0.0.1", port, folder / "api.json").stop_leftover()
        assert processes.wait_gone(members, 0)
        assert not (folder / "api.json").exists()
        assert api.exit_code() is not None  # reaps it


def test_a_number_that_belongs_to_somebody_else_by_now_is_left_alone(folder: Path) -> None:
    record = folder / "api.json"
    stranger = programs.spawn(["/bin/sleep", "60"], folder / "log")  # a process group of its own
    record.write_text(f'{{"group": {stranger.pid}, "started": 0}}', encoding="utf-8")
    ApiProcess("127.0.0.1", 1, record).stop_leftover()
    assert stranger.poll() is None
    assert not record.exists()
    stranger.kill()
    stranger.wait()


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"group": "x", "started": 1}'])
def test_a_record_that_says_nothing_is_no_obstacle(folder: Path, content: str | None) -> None:
    if content is not None:
        (folder / "api.json").write_text(content, encoding="utf-8")
    ApiProcess("127.0.0.1", 1, folder / "api.json").stop_leftover()
