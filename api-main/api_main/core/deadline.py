"""`asyncio.timeout`, in a third of its time: every request has a deadline, and nearly none comes to it."""

import asyncio
from types import TracebackType
from typing import Self


class Deadline:
    """Cancels what the current task does within it when its time is over, and makes a `TimeoutError` of that.

    Attributes:
        expired: whether the time was over before the end, or before `lift`.
    """

    __slots__ = ("_cancellations", "_task", "_timer", "expired")

    def __init__(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None
        self.expired = False
        self._task = task
        self._cancellations = task.cancelling()
        self._timer = loop.call_later(seconds, self._expire)

    def lift(self) -> None:
        """Let what goes on take as long as it likes."""
        self._timer.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        # Whoever else has cancelled the task meanwhile wants it cancelled: theirs is not for us to swallow.
        if self.expired and self._task.uncancel() <= self._cancellations and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _expire(self) -> None:
        self.expired = True
        self._task.cancel()
