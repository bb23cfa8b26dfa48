"""uvicorn's HTTP connection, which also tells whether it is between two requests, and who keeps it from being so."""

import asyncio
import time

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Connection(HttpToolsProtocol):
    """One connection. `moved` is the monotonic time at which it last went a step further."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._is_reading = False
        self._writes_since: float | None = None
        self.moved = time.monotonic()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_reading, self.moved = True, time.monotonic()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._is_reading, self.moved = False, time.monotonic()

    @property
    def rests(self) -> bool:
        """Whether nothing of a request has been taken from it, and nothing of an answer is still to be sent."""
        answered = self.cycle is None or self.cycle.response_complete
        at_rest = answered and not self._is_reading and not self.pipeline
        return at_rest and not self.transport.is_closing() and not self.transport.get_write_buffer_size()

    def stalled_seconds(self, now: float) -> float:
        """How long its caller has been the one to be waited for: sending a request, or reading an answer."""
        if self.transport.get_write_buffer_size():
            self._writes_since = self._writes_since or now
            return now - self._writes_since
        self._writes_since = None
        return now - self.moved if self._is_reading else 0.0
