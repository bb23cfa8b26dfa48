"""No route is without a limit: each one answers 429, in the form of its protocol."""

import re
from collections.abc import AsyncIterator, Iterator
from typing import NamedTuple

import httpx
import pytest
import structlog
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import WebSocketRoute

from api_main.core.settings import Settings
from api_main.main import create_app
from tests.auth.calls import assert_refused
from tests.limits.stage import caller, limited, running

UUID = "00000000-0000-4000-8000-000000000000"


class Place(NamedTuple):
    method: str
    path: str


def places(app: FastAPI) -> Iterator[Place]:
    """Every route of an application, of whatever kind."""
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        path = re.sub(r"{[^}]*}", UUID, str(context.path or getattr(route, "path", "")))
        if not isinstance(route, WebSocketRoute):
            yield from (Place(method, path) for method in sorted(getattr(route, "methods", None) or {"GET"}))


@pytest.fixture(scope="module")
async def closed_app(settings: Settings) -> AsyncIterator[FastAPI]:
    """One request an hour is allowed, whatever it asks for."""
    async with running(limited(settings, limits=dict.fromkeys(settings.rate_limits, "1/hour"))) as app:
        yield app


async def test_every_route_answers_429(closed_app: FastAPI) -> None:
    found = [*places(closed_app), Place("GET", "/nothing/here"), Place("DELETE", "/api/v1/tasks")]
    assert len(found) > 60
    for number, (method, path) in enumerate(found):
        async with caller(closed_app, f"198.51.{number // 250}.{number % 250}") as client:
            first = await client.request(method, path, follow_redirects=False)
            assert first.status_code != 429, path
            assert first.headers["RateLimit-Limit"] == "1"
            assert first.headers["RateLimit-Remaining"] == "0"
            assert_says_when(first, retry=False)
            second = await client.request(method, path)
            assert second.status_code == 429, (method, path)
            assert_says_when(second, retry=True)
            assert_in_its_form(second, path)


def assert_says_when(answer: httpx.Response, *, retry: bool) -> None:
    assert 3500 < int(answer.headers["RateLimit-Reset"]) <= 3600
    assert ("Retry-After" in answer.headers) == retry
    if retry:
        assert answer.headers["Retry-After"] == answer.headers["RateLimit-Reset"]


def assert_in_its_form(answer: httpx.Response, path: str) -> None:
    if answer.request.method == "HEAD":
        return
    if path.startswith("/auth/v1/"):
        assert answer.json()["error_code"] == "over_request_rate_limit"
        assert answer.headers["x-sb-error-code"] == "over_request_rate_limit"
    else:
        assert_refused(answer, 429, "too_many_requests")


async def test_the_walk_meets_the_fast_lane_and_supabases_protocol(closed_app: FastAPI) -> None:
    paths = {path for _method, path in places(closed_app)}
    assert {"/api/v1/tasks", "/api/v1/tasks/search", f"/api/v1/tasks/{UUID}", "/auth/v1/token"} <= paths
    assert {"/health/live", "/openapi.json", "/docs", "/auth/v1/.well-known/jwks.json"} <= paths


async def test_one_route_of_many_versions_is_one(closed_app: FastAPI) -> None:
    async with caller(closed_app, "203.0.113.99") as client:
        assert (await client.get("/api/tasks")).status_code == 401
        assert (await client.head("/api/v1/tasks")).status_code == 429


async def test_a_preflight_is_not_counted(strict_app: FastAPI) -> None:
    ask = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "GET"}
    async with caller(strict_app) as client:
        for _ in range(5):
            assert (await client.options("/api/v1/tasks", headers=ask)).status_code == 200


async def test_browsers_may_read_how_much_is_left(strict_app: FastAPI) -> None:
    async with caller(strict_app) as client:
        for _ in range(5):
            answer = await client.get("/api/v1/tasks", headers={"Origin": "http://localhost:3000"})
            exposed = answer.headers["access-control-expose-headers"]
            assert {"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"} <= set(exposed.split(", "))
    assert answer.status_code == 429


async def test_limits_that_are_off_count_nothing_and_say_so_in_the_log(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"rate_limit_enabled": False}))
    with structlog.testing.capture_logs() as log:
        async with app.router.lifespan_context(app), caller(app) as client:
            assert "RateLimit-Limit" not in (await client.get("/api/v1/tasks")).headers
    assert "rate_limits_are_off" in [line["event"] for line in log if line["log_level"] == "warning"]
