from dataclasses import dataclass

import pytest

from api_main.auth import revocation


@dataclass
class Clock:
    """Stands in for the module `time`: it moves when told to."""

    now: float = 1_000_000.0

    def monotonic(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock by which verdicts grow old."""
    clock = Clock()
    monkeypatch.setattr(revocation, "time", clock)
    return clock
