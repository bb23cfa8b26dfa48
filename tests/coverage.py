"""Lines and branches that tests reach, counted by slipcover in each process of parallel tests.

`pytest -p tests.coverage --numprocesses 4`, then `slipcover --merge .coverage.d/*.json`. slipcover's own command would
measure the controller as well, which runs no test, and would look through all functions in memory, time and again, for
code that it has seen enough of: together a tenth of the time that the tests take. It would leave out processes that
tests start; some that say so are started as `python -m tests.coverage MODULE`, for its `main`.
"""

import atexit
import importlib
import json
import os
import shutil
import sys
from pathlib import Path

from slipcover import FileMatcher, ImportManager, Slipcover
from slipcover.config import read_config

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".coverage.d"
FIRST = "gw0"


class Measurement:
    """What this process reaches in the code that it imports from now on."""

    def __init__(self, process: str) -> None:
        self._path = FOLDER / f"{process}.json"
        config = read_config(ROOT / "pyproject.toml")
        sources = [str(ROOT / source) for source in config["source"]]
        unseen = sources if process == FIRST else None  # files that nobody imports: one process lists them
        self._slipcover = Slipcover(
            immediate=True, branch=config["branch"], source=unseen, exclude_also=config["exclude-also"]
        )
        ImportManager(self._slipcover, FileMatcher(sources)).__enter__()

    def write(self) -> None:
        part = self._path.with_suffix(".part")  # a process that is killed meanwhile leaves no half of a file
        part.write_text(json.dumps(self._slipcover.get_coverage()), encoding="utf-8")
        part.replace(self._path)


PROCESS = str(os.getpid()) if __name__ == "__main__" else os.environ.get("PYTEST_XDIST_WORKER")
MEASUREMENT = Measurement(PROCESS) if PROCESS else None  # before any conftest is imported, and with it what it imports


def pytest_configure() -> None:
    if not MEASUREMENT:
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir()


def pytest_sessionfinish() -> None:
    if MEASUREMENT:
        MEASUREMENT.write()


if __name__ == "__main__" and MEASUREMENT:
    atexit.register(MEASUREMENT.write)
    sys.exit(importlib.import_module(sys.argv.pop(1)).main())
