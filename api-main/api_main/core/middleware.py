"""What surrounds every request: id, access log, security headers, limits of time and size. Plain ASGI, for speed."""

import asyncio
import re
import time
import uuid

import structlog
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api_main.core.error_handlers import from_exception, render
from api_main.core.errors import TimedOut
from api_main.core.logging import request_facts
from api_main.core.settings import Settings

log = structlog.get_logger()

LARGEST_BODY = 16 * 1024 * 1024  # for routes that take many things at once; all others take `max_body_bytes`
SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,128}")

# https://cheatsheetseries.owasp.org/cheatsheets/REST_Security_Cheat_Sheet.html#security-headers
SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-site",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}
# The documentation pages load their scripts and styles from FastAPI's default places.
DOCUMENTATION = {"/docs", "/redoc"}
DOCUMENTATION_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net;"
    " style-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net https://fonts.googleapis.com;"
    " font-src https://fonts.gstatic.com; img-src 'self' data: https://fastapi.tiangolo.com https://cdn.redoc.ly;"
    " worker-src blob:; frame-ancestors 'none'"
)
STRICT_TRANSPORT = "max-age=63072000; includeSubDomains"


class RequestContext:
    """Give each request an id, its headers and one line of log."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        headers = SECURITY_HEADERS | ({"strict-transport-security": STRICT_TRANSPORT} if settings.is_production else {})
        self.headers = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _request_id(Headers(scope=scope))
        scope.setdefault("state", {})["request_id"] = request_id
        address = scope["client"][0] if scope["client"] else None
        request_facts.set({"request_id": request_id, "address": address})
        status, started = 0, time.perf_counter()

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._add_headers(message, scope["path"], request_id)
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        finally:
            milliseconds = round((time.perf_counter() - started) * 1000, 2)
            log.info("request", method=scope["method"], path=scope["path"], status=status, ms=milliseconds)

    def _add_headers(self, message: Message, path: str, request_id: str) -> None:
        headers: list[tuple[bytes, bytes]] = list(message["headers"])
        if path in DOCUMENTATION:
            headers.append((b"content-security-policy", DOCUMENTATION_POLICY.encode()))
        given = {name for name, _value in headers}
        headers += [header for header in self.headers if header[0] not in given]
        headers.append((b"x-request-id", request_id.encode()))
        message["headers"] = headers


class LastResort:
    """Give every request an answer in our form, whatever happens inside."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def send_and_remember(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, send_and_remember)
        except Exception as error:
            if begun or scope["type"] != "http":  # nothing but to break it off
                raise
            converted = from_exception(error)
            if converted.status >= 500:
                log.exception("request_failed", code=converted.code)
            await render(converted, scope)(scope, receive, send)


class Timeout:
    """Stop a request whose answer has not begun in time. Cancelling it cancels its query as well."""

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self.app = app
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_and_stop_the_clock(message: Message) -> None:
            if not clock.expired():  # it has, and an answer is here: a library swallowed the cancellation
                clock.reschedule(None)
            await send(message)

        try:
            async with asyncio.timeout(self.seconds) as clock:
                await self.app(scope, receive, send_and_stop_the_clock)
        except TimeoutError:
            if not clock.expired():
                raise
            raise TimedOut from None


class HeadAsGet:
    """Answer HEAD like GET; the server leaves the body out (RFC 9110, section 9.3.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        await self.app(scope, receive, send)


class BodyLimit:
    """Refuse a body over the limit of its path: at once where its length is declared, else as soon as it is over.

    Paths that begin with one of `large` take more.

    FastAPI's own `max_body_size` answers some of these in plain text, around all other middleware.
    """

    def __init__(self, app: ASGIApp, limit: int, large: tuple[str, ...] = ()) -> None:
        self.app = app
        self.limit = limit
        self.large = large

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = max(self.limit, LARGEST_BODY) if scope["path"].startswith(self.large) else self.limit
        if _declared_length(scope) > limit:
            raise HTTPException(413)
        received = 0

        async def receive_within_limit() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise HTTPException(413)  # no other kind of exception passes FastAPI's reading of bodies
            return message

        await self.app(scope, receive_within_limit, send)


def _declared_length(scope: Scope) -> float:
    """The Content-Length; 0 without one. One with more digits than Python converts is longer than any limit."""
    length = Headers(scope=scope).get("content-length", "")
    if not length.isdecimal():
        return 0
    return int(length) if len(length) < 20 else float("inf")


def _request_id(headers: Headers) -> str:
    given = headers.get("x-request-id", "")
    return given if SANE_REQUEST_ID.fullmatch(given) else str(uuid.uuid4())
