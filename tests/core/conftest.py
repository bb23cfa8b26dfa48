from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from api_main.core.settings import Settings
from api_main.main import create_app
from tests.core.stage import add_stage

ORIGIN = "http://localhost:3000"


@pytest.fixture(scope="session")
async def stage(settings: Settings) -> AsyncIterator[FastAPI]:
    app = add_stage(create_app(settings.model_copy(update={"request_timeout": 0.5, "database_pool_min": 1})))
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def http(stage: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """The staged application, without a network."""
    transport = httpx.ASGITransport(stage, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        yield client
