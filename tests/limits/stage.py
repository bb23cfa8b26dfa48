"""Applications whose limits are on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI

from api_main.core.settings import Settings
from api_main.main import create_app


def limited(settings: Settings, *, limits: dict[str, str] | None = None, **changes: Any) -> Settings:
    """These settings, with other limits."""
    return settings.model_copy(update={"rate_limits": {**settings.rate_limits, **(limits or {})}, **changes})


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[FastAPI]:
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        yield app


def caller(app: FastAPI, address: str = "192.0.2.1") -> httpx.AsyncClient:
    """Somebody who asks from this address."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 1234))
    return httpx.AsyncClient(transport=transport, base_url="http://api.test")
