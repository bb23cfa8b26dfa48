"""Lines and branches that tests reach, counted by slipcover in each process of parallel tests.

`pytest -p tests.coverage --numprocesses 4`, then `slipcover --merge .coverage.d/*.json`. slipcover's own command would
measure the controller as well, which runs no test, and would look through all functions in memory, time and again, for
code that it has seen enough of: together a tenth of the time that the tests take.
"""

import json
import os
import shutil
from pathlib import Path

import pytest
from slipcover import FileMatcher, ImportManager, Slipcover
from slipcover.config import read_config

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".coverage.d"
FIRST = "gw0"


class Measurement:
    """What the tests of this process reach in the code that is imported from now on."""

    def __init__(self, process: str) -> None:
        self._path = FOLDER / f"{process}.json"
        config = read_config(ROOT / "pyproject.toml")
        sources = config["source"]
        unseen = sources if process == FIRST else None  # files that nobody imports: one process lists them
        self._slipcover = Slipcover(
            immediate=True, branch=config["branch"], source=unseen, exclude_also=config["exclude-also"]
        )
        ImportManager(self._slipcover, FileMatcher(sources)).__enter__()

    def pytest_sessionfinish(self) -> None:
        self._path.write_text(json.dumps(self._slipcover.get_coverage()), encoding="utf-8")


PROCESS = os.environ.get("PYTEST_XDIST_WORKER")
MEASUREMENT = Measurement(PROCESS) if PROCESS else None  # before any conftest is imported, and with it what it imports


def pytest_configure(config: pytest.Config) -> None:
    if MEASUREMENT:
        config.pluginmanager.register(MEASUREMENT)
    else:
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir()
