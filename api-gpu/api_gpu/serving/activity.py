"""What counts as work: requests that are open, and whatever the engine has in hand."""

import time
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api_gpu.parent.heads import HEALTHY, METRICS

UNAUTHORIZED = 401
QUIET = {*HEALTHY, METRICS}


class Activity:
    """ASGI middleware that knows for how long nobody has wanted anything.

    Health, metrics and callers without a good token keep nobody awake.
    """

    def __init__(self, app: ASGIApp, work: Callable[[], int]) -> None:
        self._app, self._work = app, work
        self._open = 0
        self._last = time.monotonic()

    def idle_seconds(self) -> float:
        """Return the time without work; it is to be asked often, for so the work is noticed."""
        now = time.monotonic()
        if self._open or self._work():
            self._last = now
        return now - self._last

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in QUIET:
            await self._app(scope, receive, send)
            return
        status = 0

        async def noting_status(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        self._open += 1
        try:
            await self._app(scope, receive, noting_status)
        finally:
            self._open -= 1
            if status != UNAUTHORIZED:
                self._last = time.monotonic()
