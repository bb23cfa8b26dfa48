"""Count every request against the limits of its route and of its client, before anything is done for it."""

import re
from collections.abc import Awaitable, Callable, Mapping

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api_main.core.error_handlers import render
from api_main.core.errors import TooManyRequests
from api_main.core.limits.declarations import DEFAULT, Limit, Policy
from api_main.core.limits.limiter import Client, Limiter, Verdict
from api_main.core.timings import AUTH, LIMITS, Step

Identify = Callable[[Scope], Awaitable[Client]]
Limits = tuple[Limit, ...]
WEBSOCKET = "WEBSOCKET"  # what stands for its method


class RateLimits:
    """Say in every answer how much is left, and answer 429 where nothing is.

    It stands in front of all routers: whatever they are made of, and where nothing is found, all the same. A WebSocket
    is counted when it is opened, and refused before it is.
    """

    def __init__(self, app: ASGIApp, routes_of: FastAPI, policy: Policy, identify: Identify) -> None:
        self.app = app
        self._identify = identify
        self._default = policy.named(DEFAULT)
        self._fixed: dict[tuple[str, str], Limits] = {}
        self._patterns: dict[str, list[tuple[re.Pattern[str], Limits]]] = {}
        for path, methods, limits in _limited_routes(routes_of, policy):
            if limits != self._default:
                self._add(path, methods, limits)

    def _add(self, path: str, methods: set[str], limits: Limits) -> None:
        for method in methods:
            if "{" in path:
                self._patterns.setdefault(method, []).append((compile_path(path)[0], limits))
            else:
                self._fixed[method, path] = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        verdict = await self._hit(scope)
        headers = verdict.raw_headers

        async def send_with_headers(message: Message) -> None:
            if message["type"] in {"http.response.start", "websocket.http.response.start"}:
                given = {name for name, _value in message["headers"]}
                if headers[0][0] not in given:  # an attempt to sign in has a limit of its own
                    message["headers"] = [*message["headers"], *headers]
            await send(message)

        if verdict.is_exceeded:
            await _refuse(verdict, scope, receive, send_with_headers)
        else:
            await self.app(scope, receive, send_with_headers)

    async def _hit(self, scope: Scope) -> Verdict:
        limiter: Limiter = scope["app"].state.limiter
        with Step(AUTH):
            client = await self._identify(scope)
        with Step(LIMITS):
            return await limiter.hit(client, self._limits_of(scope))

    def _limits_of(self, scope: Scope) -> Limits:
        method, path = scope.get("method", WEBSOCKET), scope["path"]
        found = self._fixed.get((method, path))
        if found is not None:
            return found
        for pattern, limits in self._patterns.get(method, ()):
            if pattern.match(path):
                return limits
        return self._default


def _limited_routes(app: FastAPI, policy: Policy) -> list[tuple[str, set[str], Limits]]:
    routes = []
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        methods = getattr(route, "methods", None) or {WEBSOCKET}
        if (endpoint := getattr(route, "endpoint", None)) is not None:
            routes.append((context.path or "", set(methods), policy.of_route(endpoint)))
    return routes


async def _refuse(verdict: Verdict, scope: Scope, receive: Receive, send: Send) -> None:
    error = TooManyRequests(retry_after=verdict.reset)
    if scope["type"] == "websocket" and not _may_be_denied(scope):
        await send({"type": "websocket.close", "code": 1013})  # try again later; before it was opened, it becomes a 403
        return
    await render(error, scope)(scope, receive, send)


def _may_be_denied(scope: Scope) -> bool:
    """Whether the server can answer a handshake with an HTTP response (ASGI, "WebSocket Denial Response")."""
    extensions: Mapping[str, object] = scope.get("extensions") or {}
    return "websocket.http.response" in extensions
