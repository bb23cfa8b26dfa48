from collections.abc import AsyncIterator

import pytest

from api_main.core.settings import Settings
from api_main.gpu.client import GpuClient


@pytest.fixture
async def gpu_client(gpu_settings: Settings) -> AsyncIterator[GpuClient]:
    client = GpuClient(gpu_settings)
    yield client
    await client.close()
