"""What takes megabytes is loaded by those alone who need it."""

import subprocess
import sys

import pytest

LOADED = "import sys, api_main.main; print(*sys.modules)"


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """The modules of the application as it is before it knows its settings."""
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["numpy", "supabase", "zxcvbn", "opentelemetry.sdk.trace.export", "icalendar"])
def test_the_application_starts_without_what_only_some_need(loaded: set[str], module: str) -> None:
    assert "fastapi" in loaded
    assert module not in loaded
