"""Look at what we depend on."""

import asyncio
import time
from collections.abc import Awaitable
from importlib.metadata import version

from psycopg import Error

from api_main.core.database import Database
from api_main.core.errors import ServiceUnavailable
from api_main.core.redis import RedisAway, RedisServer
from api_main.health.schemas import Check, Health

PATIENCE_SECONDS = 2.0


class Unhealthy(ServiceUnavailable):
    """`details` says what is down, in the form of `Health.checks`."""

    code, message = "unhealthy", "Something that is needed is down."


async def check(database: Database, redis: RedisServer | None) -> Health:
    """Every dependency with its latency.

    Raises:
        Unhealthy: the database is down. Redis is never needed.
    """
    waiting = [_check("database", database.ping())] + ([] if redis is None else [_check("redis", _ping(redis))])
    checks = dict(await asyncio.gather(*waiting))
    if checks["database"].status == "down":
        raise Unhealthy(details={name: check.model_dump() for name, check in checks.items()})
    is_degraded = any(check.status == "down" for check in checks.values())
    return Health(status="degraded" if is_degraded else "up", version=version("api-main"), checks=checks)


async def _check(name: str, answer: Awaitable[None]) -> tuple[str, Check]:
    started = time.perf_counter()
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await answer
        up = True
    except (TimeoutError, Error, RedisAway):
        up = False
    return name, Check(status="up" if up else "down", latency_ms=round((time.perf_counter() - started) * 1000, 2))


async def _ping(redis: RedisServer) -> None:
    if not redis.is_here:  # nobody waits for a dead address
        raise RedisAway
    await redis.ask(redis.client.echo("healthy"))
