"""Paths without parameters that have the form of others: `/tasks/bulk` is no task's id, whatever the method."""

from collections import defaultdict
from collections.abc import Awaitable

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.types import ASGIApp, Receive, Scope, Send

from api_main.core.error_handlers import METHODS, render
from api_main.core.errors import MethodNotAllowed
from api_main.core.versioning import PREFIX


class FixedPaths:
    """Refuse a method that such a path does not offer, before it is taken for a parameter of another route."""

    def __init__(self, app: ASGIApp, routes_of: FastAPI) -> None:
        self.app = app
        self.offered: dict[str, set[str]] = defaultdict(set)
        for context in iter_route_contexts(routes_of.routes):
            path, methods = context.path or "", context.methods or set()
            if methods and path.startswith(PREFIX) and "{" not in path:
                self.offered[path] |= methods | ({"HEAD"} if "GET" in methods else set())

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        offered = self.offered.get(scope["path"]) if scope["type"] == "http" else None
        if offered is None or scope["method"] in offered:
            return self.app(scope, receive, send)
        allowed = ", ".join(method for method in METHODS if method in offered)
        return render(MethodNotAllowed(headers={"Allow": allowed}), scope)(scope, receive, send)
