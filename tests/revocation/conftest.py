"""A clock for what is remembered of sessions."""

import cashews.backends.memory
import pytest

from api_main.core import cache
from tests.clock import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock by which verdicts grow old."""
    clock = Clock()
    for module in (cache, cashews.backends.memory):
        monkeypatch.setattr(module, "time", clock)
    return clock
