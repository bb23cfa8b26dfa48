"""Bodies as Supabase Auth reads them: as JSON, whatever they say they are."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

CONTENT_TYPE = b"content-type"


class JsonRoute(APIRoute):
    """A route that takes every body for JSON."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_as_json(request: Request) -> Response:
            others = [header for header in request.scope["headers"] if header[0] != CONTENT_TYPE]
            headers = [*others, (CONTENT_TYPE, b"application/json")]
            return await handle(Request({**request.scope, "headers": headers}, request.receive))

        return handle_as_json
