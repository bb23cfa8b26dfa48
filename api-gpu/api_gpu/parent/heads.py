"""As much of HTTP/1.1 (RFC 9112) as can be said without the server: what a request wants, and short answers to it."""

import json
import re
from collections.abc import Mapping
from typing import NamedTuple

HEALTHY = frozenset({"/health", "/health/live", "/health/ready", "/v2/health/live", "/v2/health/ready"})
METRICS = "/metrics"
LONGEST = 16_384  # bytes of a request's head
END = b"\r\n\r\n"
REQUEST_LINE = re.compile(rb"([A-Z]{1,20}) ([!-~]{1,8192}) HTTP/1\.[01]\r\n")
BEARER = re.compile(rb"\r\nauthorization:[ \t]*bearer[ \t]+([\w-]+\.[\w-]+\.[\w-]+)[ \t]*\r\n", re.IGNORECASE)

REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}


class Head(NamedTuple):
    """Who calls for what. `token` is empty where there is none that could be good."""

    method: str
    target: str
    token: str

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


class NotARequest(Exception):
    """What came is no HTTP request that could be served; `status` says why."""

    def __init__(self, status: int) -> None:
        super().__init__(REASONS[status])
        self.status = status


def read_head(data: bytes) -> Head | None:
    """Read the first request in what has arrived; None while its head is incomplete.

    Raises:
        NotARequest: it is malformed, or longer than anybody needs.
    """
    end = data.find(END)
    if end < 0:
        if len(data) >= LONGEST:
            raise NotARequest(431)
        return None
    line = REQUEST_LINE.match(data)
    if line is None:
        raise NotARequest(400)
    bearer = BEARER.search(data[: end + len(END)])
    return Head(line[1].decode(), line[2].decode(), bearer[1].decode() if bearer else "")


def answer(status: int, body: Mapping[str, object] | str, *headers: str) -> bytes:
    """Write a whole answer, JSON or text, after which the connection is closed."""
    content = (body if isinstance(body, str) else json.dumps(body)).encode()
    kind = "text/plain; version=0.0.4; charset=utf-8" if isinstance(body, str) else "application/json"
    lines = [
        f"HTTP/1.1 {status} {REASONS[status]}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(content)}",
        *headers,
    ]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + content


def refusal(status: int, error: str, *headers: str) -> bytes:
    """Write an error as the Open Inference Protocol has it."""
    return answer(status, {"error": error}, *headers)
