"""Told that the server stops: uvicorn says so to nobody before the last answer has been sent."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
CANCEL_SECONDS = 2.0


@contextmanager
def when_stopping(callback: Callable[[], None]) -> Iterator[None]:
    """Call back on the event loop as soon as a signal ends the process, besides whoever handles the signal.

    Signals are the main thread's alone; in any other nothing is called.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def handle(number: int, frame: FrameType | None) -> Any:
        loop.call_soon_threadsafe(callback)
        handler = before[signal.Signals(number)]
        return handler(number, frame) if callable(handler) else None

    for number, handler in before.items():
        if callable(handler):  # else nobody stops gracefully, and we must not be the ones who keep the process alive
            signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            if callable(handler):
                signal.signal(number, handler)


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task until it ends: a library may swallow a cancellation that comes at the wrong moment."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=CANCEL_SECONDS)
