from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI

from api_main.core.settings import Settings
from tests.limits.stage import limited, running


@pytest.fixture
async def strict_app(settings: Settings) -> AsyncIterator[FastAPI]:
    """Three requests an hour to each client; the routes' own limits nobody notices."""
    async with running(limited(settings, limits={"default": "3/hour"})) as app:
        yield app
