"""Versions of the API: by path, by header, and on their way out."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from api_main.core.versioning import ApiVersion, Versioning
from tests.people import Person

DEPRECATED = datetime(2026, 1, 1, tzinfo=UTC)
SUNSET = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("headers", [{}, {"X-API-Version": "v1"}])
async def test_a_path_without_a_version_is_answered_by_the_version_of_the_header(
    http: httpx.AsyncClient, ada: Person, headers: dict[str, str]
) -> None:
    created = await http.post("/api/tasks", json={"title": "x"}, headers={**ada.headers, **headers})
    assert created.status_code == 201
    assert created.headers["Location"].startswith("/api/v1/tasks/")
    listed = await http.get("/api/tasks?limit=1", headers={**ada.headers, **headers})
    assert listed.json()["data"] == [created.json()["data"]]
    bulk = await http.post("/api/tasks/bulk", json={"create": [{"title": "y"}]}, headers={**ada.headers, **headers})
    assert bulk.status_code == 200


@pytest.mark.parametrize("version", ["v0", "v9", "1", "V1", "", "v1, v2", "v1/../v2", "é"])
async def test_an_unknown_version_is_refused_with_those_that_exist(http: httpx.AsyncClient, version: str) -> None:
    answer = await http.get("/api/tasks", headers=[(b"X-API-Version", version.encode())])
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "unknown_api_version"
    assert answer.json()["error"]["details"] == {"versions": ["v1"]}


async def test_the_version_of_the_path_wins(http: httpx.AsyncClient, ada: Person) -> None:
    answer = await http.get("/api/v1/tasks", headers={**ada.headers, "X-API-Version": "v9"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/v1", "/api/v1/", "/api/v9/tasks", "/api/v1x/tasks", "/api/v1//tasks"]
)
async def test_other_paths_below_api_are_not_found(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


async def test_paths_outside_the_api_have_no_version(http: httpx.AsyncClient) -> None:
    assert (await http.get("/health/live", headers={"X-API-Version": "v9"})).status_code == 200


@pytest.fixture
async def ageing() -> AsyncIterator[httpx.AsyncClient]:
    """An API whose first version ends soon."""

    async def show_path(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.url.path)

    app = Starlette(routes=[Route("/{path:path}", show_path)])
    versions = {"v1": ApiVersion(deprecated=DEPRECATED, sunset=SUNSET), "v2": ApiVersion()}
    transport = httpx.ASGITransport(Versioning(app, versions))
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        yield client


@pytest.mark.parametrize(("path", "version"), [("/api/v1/x", "v2"), ("/api/x", "v1"), ("/api/x", None)])
async def test_a_deprecated_version_says_so(ageing: httpx.AsyncClient, path: str, version: str | None) -> None:
    answer = await ageing.get(path, headers={"X-API-Version": version} if version else {})
    assert answer.headers["Deprecation"] == "@1767225600"  # RFC 9745
    assert answer.headers["Sunset"] == "Fri, 01 Jan 2027 00:00:00 GMT"  # RFC 8594
    assert answer.text == "/api/v1/x"


@pytest.mark.parametrize(("path", "version"), [("/api/v2/x", "v1"), ("/api/x", "v2"), ("/x", "v1")])
async def test_a_version_that_lasts_says_nothing(ageing: httpx.AsyncClient, path: str, version: str) -> None:
    answer = await ageing.get(path, headers={"X-API-Version": version})
    assert "Deprecation" not in answer.headers
    assert "Sunset" not in answer.headers
