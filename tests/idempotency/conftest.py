from collections.abc import AsyncIterator

import pytest

from api_main.core.settings import Settings
from tests.rls.serving import Service, serve


@pytest.fixture
async def replica(settings: Settings) -> AsyncIterator[Service]:
    """Another application on the same database."""
    async with serve(settings) as service:
        yield service
