"""uvicorn's HTTP connection, with an end to everything that a client can drag out.

It is chosen with `--http api_main.core.connection:Connection`. uvicorn by itself waits for ever for the head of a
request, reads one of any size, and goes on reading a body after its answer. The application cannot see any of that: a
request reaches it when its head is complete. docs/connections.md has the limits.
"""

import asyncio
import resource
import socket
from contextlib import suppress
from typing import ClassVar
from uuid import uuid4

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from api_main.core.corking import Corked
from api_main.core.envelope import failure
from api_main.core.errors import ApiError, BadRequest, HeadTimeout, HeadTooLarge, UrlTooLong
from api_main.core.security_headers import SECURITY_HEADERS


class Connection(HttpToolsProtocol):
    """One connection.

    Attributes:
        head_seconds: that the head of a request may take, from its first byte, or from the connection's beginning.
        stalled_seconds: that a client may take nothing of an answer.
        linger_seconds: that a client may go on sending a body when its request has been answered.
        most_head: bytes of a request's line and headers.
        most_url: bytes of its target.
    """

    head_seconds: ClassVar[float] = 10.0
    stalled_seconds: ClassVar[float] = 60.0
    linger_seconds: ClassVar[float] = 2.0
    most_head: ClassVar[int] = 64 * 1024
    most_url: ClassVar[int] = 16 * 1024

    _head_timer: asyncio.TimerHandle | None = None
    _stall_timer: asyncio.TimerHandle | None = None
    _refusal: ApiError | None = None
    _head_size = 0
    _is_reading_head = True  # or waiting for one
    _has_begun = False
    _is_over = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(Corked(transport, self.loop))  # type: ignore[arg-type]
        notice_absence(transport.get_extra_info("socket"), self.stalled_seconds)
        self._head_timer = self.loop.call_later(self.head_seconds, self._give_up_head)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timers()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            return
        if self._is_reading_head:
            self._head_size += len(data)
        super().data_received(data)
        if self._has_begun and self._head_timer is None and not self._is_over:  # most heads come in one piece
            self._head_timer = self.loop.call_later(self.head_seconds, self._give_up_head)
        if self._is_reading_head and self._head_size > self.most_head and not self._is_over:
            self._refuse(HeadTooLarge())

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_reading_head = self._has_begun = True

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > self.most_url:
            self._fail(UrlTooLong())

    def on_headers_complete(self) -> None:
        self._is_reading_head, self._has_begun, self._head_size = False, False, 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        size = len(self.url)
        for name, value in self.headers:
            size += len(name) + len(value) + 4
        if size > self.most_head:
            self._fail(HeadTooLarge())
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete and self.cycle.more_body and not self.transport.is_closing():
            self._linger()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall_timer = self.loop.call_later(self.stalled_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words for it
        """Whatever could not be parsed, or was refused while it was."""
        self._refuse(self._refusal or BadRequest())

    def _fail(self, error: ApiError) -> None:
        """Stop the parser, from within one of its callbacks."""
        self._refusal = error
        raise ValueError(error.code)

    def _give_up_head(self) -> None:
        self._head_timer = None
        if self._has_begun:
            self._refuse(HeadTimeout())
        else:
            self.transport.close()

    def _refuse(self, error: ApiError) -> None:
        request_id = str(uuid4())
        body = failure(error, request_id).model_dump_json().encode()
        headers = {
            **SECURITY_HEADERS,
            "content-type": "application/json",
            "content-length": str(len(body)),
            "connection": "close",
            "x-request-id": request_id,
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.transport.write(b"%b%b\r\n%b" % (STATUS_LINE[error.status], lines.encode(), body))
        self._linger()

    def _linger(self) -> None:
        """Say that this was all, and leave the client time to read it: what closes on unread data, cuts answers off."""
        self._is_over = True
        self._unset_keepalive_if_required()
        self._stop_timers()
        with suppress(OSError, NotImplementedError):  # it has gone, or this is TLS
            self.transport.write_eof()
        self._stall_timer = self.loop.call_later(self.linger_seconds, self.transport.abort)

    def _stop_timers(self) -> None:
        for timer in (self._head_timer, self._stall_timer):
            if timer is not None:
                timer.cancel()
        self._head_timer = self._stall_timer = None


def notice_absence(connection: socket.socket | None, seconds: float) -> None:
    """Let the kernel end a connection whose other end has gone without a word, or takes nothing for so long."""
    if connection is None or connection.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", int(seconds / 2) or 1),
        ("TCP_KEEPINTVL", int(seconds / 6) or 1),
        ("TCP_USER_TIMEOUT", int(seconds * 1000)),
    ):
        if hasattr(socket, name):  # all of them on Linux alone
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def allow_many_connections() -> None:
    """Let this process open as many files as its supervisor allows: each connection is one, and shells grant 1,024."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS has a lower limit than it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
