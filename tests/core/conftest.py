from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api_main.core.settings import Settings
from api_main.main import create_app
from tests.core.stage import add_stage

ORIGIN = "http://localhost:3000"


HASTE = 0.5  # seconds


@asynccontextmanager
async def _staged(settings: Settings, **changes: Any) -> AsyncIterator[FastAPI]:
    app = add_stage(create_app(settings.model_copy(update={"database_pool_min": 1, **changes})))
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture(scope="session")
async def stage(settings: Settings) -> AsyncIterator[FastAPI]:
    async with _staged(settings) as app:
        yield app


@pytest.fixture(scope="session")
async def hasty_stage(settings: Settings) -> AsyncIterator[FastAPI]:
    async with _staged(settings, request_timeout=HASTE) as app:
        yield app


def _client(app: FastAPI) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://api.test")


@pytest.fixture
async def http(stage: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """The staged application, without a network."""
    async with _client(stage) as client:
        yield client


@pytest.fixture
async def hasty(hasty_stage: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """The same with little time, for what takes too long: on a busy machine nothing else is sure to be answered."""
    async with _client(hasty_stage) as client:
        yield client
