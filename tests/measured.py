"""The processes that coverage follows: those that get `MEASURED` into their environment. They start half as fast."""

import os

VARIABLES = ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")

MEASURED: dict[str, str] = {}


def measure_only_on_request() -> None:
    """Take out of the environment what coverage has put there for every process that is started."""
    MEASURED.update({name: os.environ.pop(name) for name in VARIABLES if name in os.environ})
