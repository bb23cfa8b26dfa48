"""What surrounds every request: id, access log, security headers, limits of time and size. Plain ASGI, for speed.

What has nothing to await itself is no coroutine function: each would stay for as long as an event stream does.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Collection
from random import getrandbits

import structlog
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api_main.core.deadline import Deadline
from api_main.core.envelope import failure
from api_main.core.error_handlers import from_exception, render
from api_main.core.errors import BadRequest, TimedOut
from api_main.core.i18n import Audience, current_audience
from api_main.core.logging import request_facts
from api_main.core.metrics import METER, UNMATCHED
from api_main.core.raw_headers import first
from api_main.core.security_headers import (
    DOCUMENTATION,
    DOCUMENTATION_POLICY,
    SECURITY_HEADERS,
    STRICT_TRANSPORT,
)
from api_main.core.settings import Settings
from api_main.core.timings import Timings, current_timings

log = structlog.get_logger()

LARGEST_BODY = 16 * 1024 * 1024  # for routes that take many things at once; all others take `max_body_bytes`
NOTICE_SECONDS = 1.0  # in which a stream is told that its client has gone
SANE_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{8,128}")
# What has an `ETag` and says no more may be kept by its reader, who asks each time whether it still holds.
OF_ONES_OWN = [(b"cache-control", b"private, no-cache"), (b"vary", b"Authorization")]
ALLOW_ORIGIN = b"access-control-allow-origin"
VARY_ORIGIN = (b"vary", b"Origin")


class RequestContext:
    """Give each request an id, its headers, one line of log and its place in the metrics."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.tells_timings = settings.server_timing
        headers = SECURITY_HEADERS | ({"strict-transport-security": STRICT_TRANSPORT} if settings.is_production else {})
        self.headers = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        audience = Audience(scope["headers"])
        current_audience.set(audience)
        request_id = _request_id(scope)
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        address = scope["client"][0] if scope["client"] else None
        request_facts.set({"request_id": request_id, "address": address})
        if scope["type"] == "websocket":
            await self.app(scope, receive, send)
            return
        timings = Timings()
        current_timings.set(timings)
        METER.in_flight += 1
        status, waited, started = 0, None, time.perf_counter()

        async def send_with_headers(message: Message) -> None:
            nonlocal status, waited
            if message["type"] == "http.response.start":
                status, waited = message["status"], time.perf_counter() - started
                told = timings.header(waited) if self.tells_timings and timings.is_for_caller else None
                self._add_headers(message, scope["path"], request_id, told)
                if audience.spoken is not None:
                    message["headers"] += _language_headers(audience.spoken)
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        finally:
            seconds = time.perf_counter() - started
            METER.ended(scope["method"], state.get("route", UNMATCHED), status, seconds if waited is None else waited)
            milliseconds = round(seconds * 1000, 2)
            log.info("request", method=scope["method"], path=scope["path"], status=status, ms=milliseconds)

    def _add_headers(self, message: Message, path: str, request_id: str, timings: bytes | None) -> None:
        headers: list[tuple[bytes, bytes]] = list(message["headers"])
        if path in DOCUMENTATION:
            headers.append((b"content-security-policy", DOCUMENTATION_POLICY.encode()))
        given = dict(headers)
        if not given.get(b"vary", b"").endswith(b"Origin"):  # as `CrossOrigin` says to those who name one
            headers.append(VARY_ORIGIN)
        if b"etag" in given and b"cache-control" not in given:
            headers += OF_ONES_OWN
            given |= OF_ONES_OWN
        headers += [header for header in self.headers if header[0] not in given]
        headers.append((b"x-request-id", request_id.encode()))
        if timings is not None:
            headers.append((b"server-timing", timings))
            if ALLOW_ORIGIN in given:  # a script may read them that may read the answer
                headers.append((b"timing-allow-origin", given[ALLOW_ORIGIN]))
        message["headers"] = headers


def _language_headers(language: str) -> list[tuple[bytes, bytes]]:
    """What an answer with words for people says of them (RFC 9110, sections 8.5 and 12.5.5)."""
    return [(b"content-language", language.encode()), (b"vary", b"Accept-Language")]


class CrossOrigin(CORSMiddleware):
    """Starlette's, for requests that name an origin."""

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:  # type: ignore[override]
        is_of_another = scope["type"] == "http" and first(scope["headers"], b"origin") is not None
        return super().__call__(scope, receive, send) if is_of_another else self.app(scope, receive, send)

    def preflight_response(self, request_headers: Headers) -> Response:
        """Starlette's, and in our form if it is a refusal."""
        answer = super().preflight_response(request_headers)
        if answer.status_code < 400:
            return answer
        error = BadRequest(details={"reason": bytes(answer.body).decode()})
        body = failure(error, request_facts.get()["request_id"]).model_dump_json()
        headers = {name: value for name, value in answer.headers.items() if not name.startswith("content-")}
        return Response(body, answer.status_code, headers, media_type="application/json")


class LastResort:
    """Give every request an answer in our form and in time, whatever happens inside.

    A request whose answer has not begun in time is cancelled, and its query with it.
    """

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self.app = app
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = False

        async def send_and_lift_the_deadline(message: Message) -> None:
            nonlocal begun
            begun = True
            deadline.lift()
            await send(message)

        deadline = Deadline(self.seconds)
        try:
            with deadline:
                await self.app(scope, receive, send_and_lift_the_deadline)
        except Exception as error:
            if begun:  # nothing but to break it off
                raise
            converted = TimedOut() if deadline.expired and isinstance(error, TimeoutError) else from_exception(error)
            if converted.status >= 500:
                log.exception("request_failed", code=converted.code)
            await render(converted, scope)(scope, receive, send)


class HeadAsGet:
    """Answer HEAD like GET; the server leaves the body out (RFC 9110, section 9.3.2).

    But not at some paths, such as those whose GET can be used once: whoever only looks must not use it up.
    """

    def __init__(self, app: ASGIApp, but_not: Collection[str] = ()) -> None:
        """`but_not` are templates of paths."""
        self.app = app
        self.exceptions = [compile_path(path)[0] for path in but_not]

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "http" or scope["method"] != "HEAD" or self._is_exception(scope["path"]):
            return self.app(scope, receive, send)

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body"})
            elif message.get("more_body"):  # a stream learns that nobody reads on, before it goes on
                await asyncio.sleep(NOTICE_SECONDS)

        return self.app({**scope, "method": "GET"}, receive, send_head)

    def _is_exception(self, path: str) -> bool:
        return any(pattern.match(path) for pattern in self.exceptions)


class BodyLimit:
    """Refuse a body over the limit of its path: at once where its length is declared, else as soon as it is over.

    Paths that begin with one of `large` take more.

    FastAPI's own `max_body_size` answers some of these in plain text, around all other middleware.
    """

    def __init__(self, app: ASGIApp, limit: int, large: tuple[str, ...] = ()) -> None:
        self.app = app
        self.limit = limit
        self.large = large

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "http" or not _has_body(scope):
            return self.app(scope, receive, send)
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

        return self.app(scope, receive_within_limit, send)


def _has_body(scope: Scope) -> bool:
    """Whether a body follows (RFC 9112, section 6.3)."""
    headers = scope["headers"]
    return first(headers, b"content-length") is not None or first(headers, b"transfer-encoding") is not None


def _declared_length(scope: Scope) -> float:
    """The Content-Length; 0 without one. One with more digits than Python converts is longer than any limit."""
    length = first(scope["headers"], b"content-length") or b""
    if not length.isdigit():
        return 0
    return int(length) if len(length) < 20 else float("inf")


def _request_id(scope: Scope) -> str:
    given = first(scope["headers"], b"x-request-id")
    if given is not None and SANE_REQUEST_ID.fullmatch(given):
        return given.decode()
    return f"{getrandbits(128):032x}"
