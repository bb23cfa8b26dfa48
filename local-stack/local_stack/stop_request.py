"""Ctrl-C, SIGTERM and SIGHUP as a question that the program asks itself between two steps.

An exception raised by the signal could fall between the start of a process and the note of its id.
"""

import signal
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequested(Exception):
    """The user wants everything to stop."""


class StopRequest:
    """Remembers that one of the signals came."""

    def __init__(self) -> None:
        self._came = False
        for number in SIGNALS:
            signal.signal(number, self._remember)

    def _remember(self, _number: int, _frame: FrameType | None) -> None:
        self._came = True

    def check(self) -> None:
        """Raise StopRequested if a signal came."""
        if self._came:
            raise StopRequested
