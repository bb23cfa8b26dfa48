"""Look at what we depend on."""

import asyncio
import time
from importlib.metadata import version

from psycopg import Error

from api_main.core.database import Database
from api_main.core.errors import ServiceUnavailable
from api_main.health.schemas import Check, Health

PATIENCE_SECONDS = 2.0


class Unhealthy(ServiceUnavailable):
    """`details` says what is down, in the form of `Health.checks`."""

    code, message = "unhealthy", "Something that is needed is down."


async def check(database: Database) -> Health:
    """Every dependency with its latency.

    Raises:
        Unhealthy: at least one is down.
    """
    checks = {"database": await _check_database(database)}
    if any(check.status == "down" for check in checks.values()):
        raise Unhealthy(details={name: check.model_dump() for name, check in checks.items()})
    return Health(version=version("api-main"), checks=checks)


async def _check_database(database: Database) -> Check:
    started = time.perf_counter()
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await database.ping()
        up = True
    except (TimeoutError, Error):
        up = False
    return Check(status="up" if up else "down", latency_ms=round((time.perf_counter() - started) * 1000, 2))
