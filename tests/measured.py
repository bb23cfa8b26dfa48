"""Processes that tests start, measured where the tests are."""

import sys


def run_module(name: str) -> list[str]:
    """Python's arguments to run a module as a program."""
    is_measured = "tests.coverage" in sys.modules  # the plugin
    return ["-m", "tests.coverage", name] if is_measured else ["-m", name]
