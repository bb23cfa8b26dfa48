"""Every kind of failure that a caller can bring about, as a request."""

from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.people import Person

TASKS = "/api/v1/tasks"
JSON = {"Content-Type": "application/json"}
UNKNOWN = "00000000-0000-4000-8000-000000000000"
TOO_LARGE = b" " * (1024 * 1024 + 1)


@dataclass(frozen=True)
class Case:
    """A request, and the status and code of its answer."""

    name: str
    status: int
    code: str
    method: str
    path: str
    options: dict[str, Any] = field(default_factory=dict)
    signed_in: bool = True

    async def send(self, http: httpx.AsyncClient, person: Person, **more: str) -> httpx.Response:
        headers = {**(person.headers if self.signed_in else {}), **self.options.get("headers", {}), **more}
        return await http.request(self.method, self.path, **{**self.options, "headers": headers})


def post(content: bytes, content_type: str = "application/json") -> dict[str, Any]:
    return {"content": content, "headers": {"Content-Type": content_type} if content_type else {}}


CASES = [
    Case("malformed JSON", 400, "bad_request", "POST", TASKS, post(b"{")),
    Case("JSON cut off in a string", 400, "bad_request", "POST", TASKS, post(b'{"title": "x')),
    Case("no UTF-8", 400, "bad_request", "POST", TASKS, post(b'{"title": "\xff"}')),
    Case("JSON too deep", 400, "bad_request", "POST", TASKS, post(b"[" * 200_000)),
    Case("JSON number too long", 400, "bad_request", "POST", TASKS, post(b'{"title": ' + b"9" * 5000 + b"}")),
    Case("bad cursor", 400, "invalid_cursor", "GET", f"{TASKS}?cursor=x"),
    Case("unknown version", 400, "unknown_api_version", "GET", "/api/tasks", {"headers": {"X-API-Version": "v9"}}),
    Case("no token", 401, "unauthenticated", "GET", TASKS, signed_in=False),
    Case("another scheme", 401, "unauthenticated", "GET", TASKS, {"headers": {"Authorization": "Basic eDp5"}}, False),
    Case("bad token", 401, "invalid_token", "GET", TASKS, {"headers": {"Authorization": "Bearer x"}}),
    Case("denied", 403, "permission_denied", "GET", "/stage/denied"),
    Case("denied to nobody", 401, "unauthenticated", "GET", "/stage/denied", signed_in=False),
    Case("unknown path", 404, "not_found", "GET", "/nope"),
    Case("unknown path of the API", 404, "not_found", "GET", "/api/v1/nope"),
    Case("path of an unknown version", 404, "not_found", "GET", "/api/v9/tasks"),
    Case("slash too much", 404, "not_found", "GET", f"{TASKS}/"),
    Case("unknown task", 404, "task_not_found", "GET", f"{TASKS}/{UNKNOWN}"),
    Case("method not offered", 405, "method_not_allowed", "DELETE", TASKS),
    Case("options without CORS", 405, "method_not_allowed", "OPTIONS", TASKS),
    Case("invented method", 405, "method_not_allowed", "BREW", TASKS),
    Case("declared too large", 413, "body_too_large", "POST", TASKS, post(TOO_LARGE)),
    Case("too large for nobody", 413, "body_too_large", "POST", "/nope", post(TOO_LARGE)),
    Case("too large where none is read", 413, "body_too_large", "POST", "/api/v1/auth/logout", post(TOO_LARGE)),
    Case("GET that declares too much", 413, "body_too_large", "GET", TASKS, {"headers": {"Content-Length": "9" * 9}}),
    Case("length beyond numbers", 413, "body_too_large", "GET", TASKS, {"headers": {"Content-Length": "9" * 5000}}),
    Case("DELETE with too much", 413, "body_too_large", "DELETE", f"{TASKS}/{UNKNOWN}", post(TOO_LARGE)),
    Case("plain text", 415, "unsupported_media_type", "POST", TASKS, post(b'{"title": "x"}', "text/plain")),
    Case("a form", 415, "unsupported_media_type", "POST", TASKS, {"data": {"title": "x"}}),
    Case("no content type", 415, "unsupported_media_type", "POST", TASKS, post(b'{"title": "x"}', "")),
    Case("an array", 422, "validation_failed", "POST", TASKS, post(b"[]")),
    Case("null", 422, "validation_failed", "POST", TASKS, post(b"null")),
    Case("no body", 422, "validation_failed", "POST", TASKS),
    Case("empty JSON body", 422, "validation_failed", "POST", TASKS, post(b"")),
    Case("wrong field", 422, "validation_failed", "POST", TASKS, post(b'{"title": 1}')),
    Case("crash", 500, "internal_error", "GET", "/stage/crash"),
    Case("database lost", 503, "database_unavailable", "GET", "/stage/driver"),
    Case("too slow", 504, "timeout", "GET", "/stage/sleep?seconds=60"),
]
