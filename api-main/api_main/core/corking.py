"""The head of an answer and the beginning of its body, sent together.

uvicorn writes them apart, and uvloop sends at once whatever it is given: two system calls, two packets, and a client
that is woken up twice.
"""

import asyncio
from typing import Any

HEAD = b"HTTP/1.1 "


class Corked:
    """A transport that keeps a head back until more is written, or until the event loop has had its turn."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head: bytes | None = None
        self.is_closing = transport.is_closing  # asked all the time

    def write(self, data: bytes) -> None:
        """As `asyncio.WriteTransport.write`."""
        if self._head is not None:
            head, self._head = self._head, None
            self._transport.writelines((head, data))
        elif data.startswith(HEAD):
            self._head = data
            self._loop.call_soon(self._send_head)
        else:
            self._transport.write(data)

    def writelines(self, list_of_data: Any) -> None:
        """As `asyncio.WriteTransport.writelines`."""
        self._send_head()
        self._transport.writelines(list_of_data)

    def write_eof(self) -> None:
        """As `asyncio.WriteTransport.write_eof`."""
        self._send_head()
        self._transport.write_eof()

    def close(self) -> None:
        """As `asyncio.BaseTransport.close`."""
        self._send_head()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _send_head(self) -> None:
        if self._head is not None:
            head, self._head = self._head, None
            self._transport.write(head)
