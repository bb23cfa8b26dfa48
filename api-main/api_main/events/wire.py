"""Messages to the client of a WebSocket and from it, within limits."""

import asyncio
import time
from contextlib import suppress
from enum import IntEnum

from starlette.websockets import WebSocket, WebSocketDisconnect

from api_main.core.errors import ApiError, BodyTooLarge, TooManyRequests, UnsupportedMediaType
from api_main.events import messages
from api_main.events.errors import TooSlow

LARGEST_MESSAGE = 32 * 1024  # characters: a token may have half of them
MESSAGES_PER_SECOND, MOST_AT_ONCE = 10.0, 50.0
SEND_SECONDS = 10.0
GOODBYE_SECONDS = 30.0


class Code(IntEnum):
    """Why a connection was closed (RFC 6455, section 7.4). Ours have four digits that begin like an HTTP status."""

    UNSUPPORTED = 1003
    TOO_LARGE = 1009
    RESTART = 1012
    TRY_LATER = 1013
    UNAUTHENTICATED = 4401
    SILENT = 4408
    SLOW = 4410
    TOO_MANY = 4429


class Closed(Exception):
    """The connection is to be closed: with a code, and the error that its client is told before."""

    def __init__(self, code: Code, error: ApiError | None = None) -> None:
        self.code = code
        self.error = error
        super().__init__(code.name)


class Wire:
    """A WebSocket that has been accepted. Whoever writes waits for the client to read: nothing piles up here."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._turn = asyncio.Lock()
        self._left, self._counted_at = MOST_AT_ONCE, time.monotonic()

    async def receive(self) -> str:
        """Raises: Closed, beyond a limit; WebSocketDisconnect: the client has gone."""
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message["code"])
        self._count()
        text: str | None = message.get("text")
        if text is None:
            raise Closed(Code.UNSUPPORTED, UnsupportedMediaType("Send JSON, as text."))
        if len(text) > LARGEST_MESSAGE:
            raise Closed(Code.TOO_LARGE, BodyTooLarge("The message is too large."))
        return text

    async def send(self, text: str) -> None:
        """Raises: Closed, if the client does not read; WebSocketDisconnect: it has gone."""
        try:
            async with asyncio.timeout(SEND_SECONDS), self._turn:
                await self._websocket.send_text(text)
        except TimeoutError:
            raise Closed(Code.SLOW, TooSlow()) from None

    async def close(self, closed: Closed) -> None:
        """Say why, then close. Whoever does not even read that is cut off."""
        with suppress(TimeoutError, WebSocketDisconnect, RuntimeError):  # the last: the server has closed it already
            async with asyncio.timeout(GOODBYE_SECONDS):
                if closed.error is not None:
                    await self._websocket.send_text(messages.write_error(closed.error))
                await self._websocket.close(closed.code, closed.error.code if closed.error else "")

    def _count(self) -> None:
        """So many messages a second, and some more at once."""
        now = time.monotonic()
        self._left = min(MOST_AT_ONCE, self._left + (now - self._counted_at) * MESSAGES_PER_SECOND) - 1
        self._counted_at = now
        if self._left < 0:
            raise Closed(Code.TOO_MANY, TooManyRequests())
