"""Every failure has one form, whatever failed and wherever."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from api_main.core.security_headers import SECURITY_HEADERS
from tests.core.conftest import ORIGIN
from tests.core.failures import CASES, TASKS, TOO_LARGE, Case
from tests.core.stage import SECRET
from tests.people import Person


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_failure_has_the_documented_form(
    http: httpx.AsyncClient, hasty: httpx.AsyncClient, ada: Person, case: Case
) -> None:
    answer = await case.send(hasty if case.status == 504 else http, ada)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (case.status, case.code)
    assert answer.json().keys() == {"success", "error"}
    assert answer.json()["success"] is False
    assert error.keys() == {"code", "message", "field", "details", "request_id", "trace_id", "timestamp"}
    assert error["message"]
    assert error["request_id"] == answer.headers["X-Request-ID"]
    assert datetime.now(UTC) - datetime.fromisoformat(error["timestamp"]) < timedelta(minutes=5)
    assert answer.headers["Content-Type"] == "application/json"
    assert SECRET not in answer.text


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_failure_carries_every_header(
    http: httpx.AsyncClient, hasty: httpx.AsyncClient, ada: Person, case: Case
) -> None:
    answer = await case.send(hasty if case.status == 504 else http, ada, Origin=ORIGIN)
    assert answer.headers.items() >= SECURITY_HEADERS.items()
    assert uuid.UUID(answer.headers["X-Request-ID"])
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "X-Request-ID" in answer.headers["Access-Control-Expose-Headers"]
    assert ("WWW-Authenticate" in answer.headers) == (answer.status_code == 401)
    assert ("Retry-After" in answer.headers) == (answer.status_code in {429, 503})
    assert ("Allow" in answer.headers) == (answer.status_code == 405)


class Stream(httpx.AsyncByteStream):
    """A body without a Content-Length, which knows how much of it was taken."""

    def __init__(self, parts: int) -> None:
        self.parts = parts
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(self.parts):
            self.taken += 1
            yield b" " * 100_000


@pytest.mark.parametrize(("path", "parts"), [("", 30), ("/bulk", 300)])
async def test_a_body_of_unknown_length_is_refused_as_soon_as_it_is_over(
    http: httpx.AsyncClient, ada: Person, path: str, parts: int
) -> None:
    body = Stream(parts)
    headers = {**ada.headers, "Content-Type": "application/json"}
    answer = await http.post(TASKS + path, content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
    assert body.taken < parts


async def test_a_body_that_is_declared_too_large_is_not_read(http: httpx.AsyncClient, ada: Person) -> None:
    body = Stream(30)
    headers = {**ada.headers, "Content-Type": "application/json", "Content-Length": str(len(TOO_LARGE))}
    assert (await http.post(TASKS, content=body, headers=headers)).status_code == 413
    assert body.taken == 0


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        (TASKS, {"GET", "HEAD", "POST"}),
        (f"{TASKS}/00000000-0000-4000-8000-000000000000", {"GET", "HEAD", "PUT", "PATCH", "DELETE"}),
        ("/api/tasks/bulk", {"POST"}),  # it has the form of a task's path, and is none
        ("/api/v1/auth/logout", {"POST"}),
        ("/health", {"GET", "HEAD"}),
    ],
)
async def test_allow_names_every_method_of_the_path(http: httpx.AsyncClient, path: str, methods: set[str]) -> None:
    answer = await http.options(path)
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == methods


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "bad_request"), (404, "not_found"), (409, "bad_request"), (500, "internal_error"), (502, "internal_error")],
)
async def test_an_exception_of_the_framework_has_our_form_too(http: httpx.AsyncClient, status: int, code: str) -> None:
    answer = await http.get(f"/stage/abort/{status}")
    assert answer.json()["error"]["code"] == code
    assert answer.headers["X-Why"] == "because"
    assert SECRET not in answer.text
