"""Health: alive says that the process answers, ready that it can work, and both never lie."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from api_main.core.settings import Settings
from api_main.main import create_app
from tests.patience import eventually
from tests.redis_server import LocalRedis

NOWHERE = "postgresql://api_main:x@127.0.0.1:1/postgres"


@pytest.mark.parametrize("path", ["/health", "/health/ready"])
async def test_each_dependency_is_up_with_its_latency(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.status_code == 200
    data = answer.json()["data"]
    assert (data["status"], data["version"]) == ("up", "0.1.0")
    assert data["checks"]["database"]["status"] == "up"
    assert data["checks"]["database"]["latency_ms"] > 0
    assert set(data["checks"]) == {"database"}


async def test_redis_is_told_of_and_never_needed(settings: Settings, redis_server: LocalRedis) -> None:
    app = create_app(settings.model_copy(update={"redis_url": redis_server.url}))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://t") as http:

        async def told(path: str) -> tuple[int, str, str]:
            answer = await http.get(path)
            data = answer.json()["data"]
            assert data["checks"]["database"]["status"] == "up"
            return answer.status_code, data["status"], data["checks"]["redis"]["status"]

        async def is_told(*expected: object) -> bool:
            return {await told(path) for path in ("/health", "/health/ready")} == {expected}

        await eventually(lambda: is_told(200, "up", "up"))
        assert (await http.get("/health")).json()["data"]["checks"]["redis"]["latency_ms"] > 0
        redis_server.kill()
        await eventually(lambda: is_told(200, "degraded", "down"))
        assert (await http.get("/health/live")).status_code == 200
        redis_server.start()
        await eventually(lambda: is_told(200, "up", "up"))


async def test_a_live_process_says_so_without_looking_further(client: httpx.AsyncClient) -> None:
    assert (await client.get("/health/live")).json()["data"] == {"status": "up"}


@pytest.fixture
async def cut_off(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The API without its database."""
    away = {"database_url": NOWHERE, "database_pool_timeout": 0.3}
    app = create_app(settings.model_copy(update=away))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as http:
            yield http


async def test_without_its_database_it_starts_lives_and_is_not_ready(cut_off: httpx.AsyncClient) -> None:
    assert (await cut_off.get("/health/live")).status_code == 200
    for answer in await asyncio.gather(cut_off.get("/health"), cut_off.get("/health/ready")):
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) >= 1
        error = answer.json()["error"]
        assert error["code"] == "unhealthy"
        assert error["details"]["database"]["status"] == "down"
        assert error["details"]["database"]["latency_ms"] >= 300
        assert "127.0.0.1" not in answer.text
