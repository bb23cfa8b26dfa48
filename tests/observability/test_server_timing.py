"""`Server-Timing`: for callers who are known, durations alone."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest

from api_main.core.settings import Settings
from tests.people import Person
from tests.rls.serving import serve

FORM = re.compile(r"auth;dur=(\d+\.\d\d), limits;dur=(\d+\.\d\d), db;dur=(\d+\.\d\d), total;dur=(\d+\.\d\d)")
ORIGIN = "http://localhost:3000"


@pytest.mark.parametrize("path", ["/api/v1/tasks", "/api/v1/auth/me"], ids=["hot", "ordinary"])
async def test_a_caller_is_told_how_long_the_parts_took(client: httpx.AsyncClient, ada: Person, path: str) -> None:
    answer = await client.get(path, headers=ada.headers)
    found = FORM.fullmatch(answer.headers["server-timing"])
    assert found is not None
    auth, limits, database, total = map(float, found.groups())
    assert 0 < database <= total
    assert auth + limits <= total


async def test_an_error_is_timed_as_well(client: httpx.AsyncClient, ada: Person) -> None:
    answer = await client.get("/api/v1/tasks?limit=0", headers=ada.headers)
    assert answer.status_code == 422
    assert FORM.fullmatch(answer.headers["server-timing"])


async def test_a_stranger_is_told_nothing(client: httpx.AsyncClient) -> None:
    """How long the database works on a sign-in could tell whether there is such an account."""
    forged = {"Authorization": "Bearer nonsense"}
    credentials = {"email": "nobody@example.com", "password": "a quiet afternoon"}
    answers = [
        await client.get("/health/live"),
        await client.get("/api/v1/tasks"),
        await client.get("/api/v1/tasks", headers=forged),
        await client.post("/api/v1/auth/login", json=credentials),
    ]
    assert [answer.status_code for answer in answers] == [200, 401, 401, 401]
    assert [answer.headers.get("server-timing") for answer in answers] == [None] * 4


async def test_one_request_is_not_told_of_another(client: httpx.AsyncClient, ada: Person) -> None:
    await client.get("/api/v1/tasks", headers=ada.headers)
    assert "server-timing" not in (await client.get("/health/ready")).headers


@pytest.mark.parametrize(("origin", "allowed"), [(ORIGIN, ORIGIN), ("https://evil.example", None), (None, None)])
async def test_scripts_see_it_where_they_may_read_the_answer(
    client: httpx.AsyncClient, ada: Person, origin: str | None, allowed: str | None
) -> None:
    headers = ada.headers | ({"Origin": origin} if origin else {})
    answer = await client.get("/api/v1/tasks", headers=headers)
    assert answer.headers.get("timing-allow-origin") == allowed
    assert "server-timing" in answer.headers
    if allowed:
        assert "Server-Timing" in answer.headers["access-control-expose-headers"]


async def test_a_browser_may_send_its_trace(client: httpx.AsyncClient) -> None:
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "traceparent"}
    answer = await client.options("/api/v1/tasks", headers=asked)
    assert answer.status_code == 200
    assert "traceparent" in answer.headers["access-control-allow-headers"].lower()


@pytest.fixture
async def silent(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with serve(settings.model_copy(update={"server_timing": False, "database_pool_min": 1})) as service:
        yield service.client


async def test_it_can_be_turned_off(silent: httpx.AsyncClient, ada: Person) -> None:
    assert "server-timing" not in (await silent.get("/api/v1/tasks", headers=ada.headers)).headers


async def test_without_a_collector_nothing_is_traced(client: httpx.AsyncClient, ada: Person) -> None:
    headers = {**ada.headers, "traceparent": f"00-{'1' * 32}-{'2' * 16}-01"}
    answer = await client.get("/api/v1/tasks?limit=0", headers=headers)
    assert answer.json()["error"]["trace_id"] is None
