"""What surrounds every request: its id, an answer whatever happens inside, a line of log."""

import re
import time
import uuid

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api_gpu.authorization import OPEN_PATHS
from api_gpu.error_answers import answer

log = structlog.get_logger()

SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,128}")


class AccessLog:
    """ASGI middleware: what was asked, what became of it, how long it took. The caller's X-Request-ID is kept.

    Health and metrics are asked for every few seconds, and get no line.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if SANE_REQUEST_ID.fullmatch(given) else str(uuid.uuid4())
        status, started = 0, time.perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], (b"x-request-id", request_id.encode())]}
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self.app(scope, receive, send_with_id)
            except Exception as error:
                if status:  # the answer has begun: nothing but to break it off
                    raise
                log.exception("request_failed", path=scope["path"])
                await answer(scope, error)(scope, receive, send_with_id)
            finally:
                if scope["path"] not in OPEN_PATHS:
                    milliseconds = round((time.perf_counter() - started) * 1000, 2)
                    log.info("request", method=scope["method"], path=scope["path"], status=status, ms=milliseconds)
