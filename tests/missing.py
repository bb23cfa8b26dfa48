"""What to do where a tool is missing that not every machine has."""

import os
from typing import NoReturn

import pytest


def missing(what: str) -> NoReturn:
    """Skip the test and say why; in CI, where nothing is skipped, fail it (`scripts/install-test-tools`)."""
    if os.environ.get("CI"):
        pytest.fail(f"{what}: run scripts/install-test-tools", pytrace=False)
    pytest.skip(f"{what}; scripts/install-test-tools installs it")
