"""Two replicas of the API and one Redis: what one changes, the other shows no longer; and nobody sees another's."""

from collections.abc import AsyncIterator
from typing import NamedTuple

import httpx
import pytest

from api_main.core.settings import Settings
from tests.limits.stage import caller, limited, running
from tests.patience import eventually
from tests.people import Person
from tests.redis_server import LocalRedis

ME, TASKS = "/api/v1/auth/me", "/api/v1/tasks"


class Replicas(NamedTuple):
    first: httpx.AsyncClient
    second: httpx.AsyncClient


@pytest.fixture
async def api(settings: Settings, redis_server: LocalRedis) -> AsyncIterator[Replicas]:
    shared = limited(settings, redis_url=redis_server.url, replicas=2)
    async with (
        running(shared) as one,
        running(shared) as another,
        caller(one) as first,
        caller(another) as second,
    ):
        for app in (one, another):
            await eventually(lambda app=app: app.state.redis.is_here)  # type: ignore[misc]
        yield Replicas(first, second)


@pytest.mark.parametrize("path", ["/api/v1/auth/logout", "/auth/v1/logout"])
async def test_signing_out_on_one_replica_is_felt_on_the_other_at_once(api: Replicas, ada: Person, path: str) -> None:
    for client in api:
        assert (await client.get(TASKS, headers=ada.headers)).status_code == 200
    assert (await api.first.post(path, headers=ada.headers)).status_code == 204
    assert (await api.first.get(TASKS, headers=ada.headers)).status_code == 401

    async def is_refused() -> bool:
        return (await api.second.get(TASKS, headers=ada.headers)).status_code == 401

    await eventually(is_refused, seconds=10)  # well before REVOCATION_SECONDS


async def test_replicas_look_a_session_up_together(api: Replicas, ada: Person, redis_server: LocalRedis) -> None:
    for client in api:
        assert (await client.get(TASKS, headers=ada.headers)).status_code == 200
    values = [redis_server.command("GET", key) for key in redis_server.command("KEYS", "api-main:cache:*")]
    assert len([value for value in values if value.endswith(b" live")]) == 1


async def test_without_redis_sessions_are_looked_up_and_kept_in_each_process(
    api: Replicas, ada: Person, redis_server: LocalRedis
) -> None:
    redis_server.kill()
    for client in (*api, *api):
        assert (await client.get(TASKS, headers=ada.headers)).status_code == 200
