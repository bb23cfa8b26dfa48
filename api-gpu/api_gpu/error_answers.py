"""Errors on the wire: `{"error": "…"}` as the Open Inference Protocol has them, and OpenAI's form under /v1."""

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from api_gpu.errors import GpuError
from api_gpu.openai.errors import openai_body
from service_wire.tensors import WireError

INTERNAL = "Something went wrong here; the log of api-gpu says what."


def answer(scope: Scope, error: Exception) -> Response:
    """The answer to a request that failed."""
    status, message, headers = _facts(error)
    body: dict[str, Any] = {"error": message}
    if scope["path"].startswith("/v1/"):
        body = openai_body(error, status, message)
    return JSONResponse(body, status, headers)


async def handle(request: Request, error: Exception) -> Response:
    """Starlette's exception handler for what a route raises and a caller may know."""
    return answer(request.scope, error)


def _facts(error: Exception) -> tuple[int, str, dict[str, str]]:
    if isinstance(error, GpuError):
        headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
        if error.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return error.status, error.message, headers
    if isinstance(error, WireError):
        return 400, str(error), {}
    if isinstance(error, HTTPException):
        return error.status_code, error.detail, dict(error.headers or {})
    return 500, INTERNAL, {}
