"""Engines on the CPU."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from api_gpu.engine import Engine, EngineObserver, EngineSettings

OpenEngine = Callable[..., Awaitable[Engine]]


@pytest.fixture(scope="session")
def cache_dir(built_models: Path) -> Path:
    return built_models


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture(scope="session")
async def engine(cache_dir: Path) -> AsyncIterator[Engine]:
    """An engine for tests that only ask. It has no models but those that come with the service."""
    async with running(EngineSettings(models_dir=cache_dir / "none", cache_dir=cache_dir, device="cpu")) as engine:
        yield engine


@pytest.fixture
async def open_engine(models_dir: Path, cache_dir: Path) -> AsyncIterator[OpenEngine]:
    """Engines of a test's own, over `models_dir`."""
    async with AsyncExitStack() as stack:

        async def start(observer: EngineObserver | None = None, **settings: Any) -> Engine:
            chosen = {"models_dir": models_dir, "cache_dir": cache_dir, "device": "cpu", **settings}
            return await stack.enter_async_context(running(EngineSettings(**chosen), observer))

        yield start


@asynccontextmanager
async def running(settings: EngineSettings, observer: EngineObserver | None = None) -> AsyncIterator[Engine]:
    engine = Engine(settings, observer)
    try:
        yield engine
    finally:
        await engine.close()
