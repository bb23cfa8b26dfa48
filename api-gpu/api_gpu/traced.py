"""Each request that is worked on is a span, in the trace of whoever asked: off without a collector."""

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api_gpu.authorization import OPEN_PATHS
from service_wire import tracing

UNMATCHED = "unmatched"


class Traced:
    """ASGI middleware. Health and metrics are asked for every few seconds, and are no part of a trace."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not tracing.is_on() or scope["path"] in OPEN_PATHS:
            await self.app(scope, receive, send)
            return

        async def send_and_note(message: Message) -> None:
            if message["type"] == "http.response.start":
                tracing.name_route(scope["method"], getattr(scope.get("route"), "path", UNMATCHED))
                tracing.note(http_response_status__code=message["status"])
            await send(message)

        with tracing.continued(Headers(scope=scope), scope["method"]):
            structlog.contextvars.bind_contextvars(trace_id=tracing.trace_id())
            await self.app(scope, receive, send_and_note)
