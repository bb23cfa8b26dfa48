"""A clock for what is remembered of sessions."""

import pytest

from api_main.auth import revocation
from tests.clock import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock by which verdicts grow old."""
    clock = Clock()
    monkeypatch.setattr(revocation, "time", clock)
    return clock
