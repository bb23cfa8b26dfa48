"""Waiting for conditions instead of guessing at times, on a machine that may be doing much else."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable

PATIENCE = 60.0
"""Seconds that something may take which must succeed: far more than it does, and waited in vain only by a failure."""


async def eventually(condition: Callable[[], bool | Awaitable[bool]], seconds: float = PATIENCE) -> None:
    """Wait, on the event loop, until a condition holds; too late is a failure."""
    deadline = time.monotonic() + seconds
    while not (await holds if inspect.isawaitable(holds := condition()) else holds):
        assert time.monotonic() < deadline, f"not after {seconds} s"
        await asyncio.sleep(0.02)


def wait_until(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """The same, off the event loop."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not after {seconds} s"
        time.sleep(0.02)
