from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from api_main.core.cache import Cache
from api_main.core.redis import open_redis
from tests.patience import eventually
from tests.redis_server import LocalRedis


@pytest.fixture
async def replicas(redis_server: LocalRedis) -> AsyncIterator[tuple[Cache, Cache]]:
    """The caches of two replicas."""
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(open_redis(redis_server.url)) for _ in range(2)]
        first, second = (Cache(server) for server in servers)
        await eventually(lambda: all(server is not None and server.is_here for server in servers))
        yield first, second
