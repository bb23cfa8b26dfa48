"""Where a tool is missing a test says so; in CI it fails."""

import pytest

from tests.missing import missing


def test_a_missing_tool_skips_a_test_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="Node is not installed"):
        missing("Node is not installed")


def test_a_missing_tool_fails_a_test_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="Node is not installed"):
        missing("Node is not installed")
