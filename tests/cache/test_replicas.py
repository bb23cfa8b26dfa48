"""Two replicas of the API and one Redis: what one changes, the other shows no longer; and nobody sees another's."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, NamedTuple
from uuid import uuid4

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from api_main.core.settings import Settings
from tests.conftest import NewPerson
from tests.limits.stage import caller, limited, running
from tests.patience import eventually
from tests.people import Person, claims, sign
from tests.redis_server import LocalRedis

ME, TASKS = "/api/v1/auth/me", "/api/v1/tasks"


class Replicas(NamedTuple):
    first: httpx.AsyncClient
    second: httpx.AsyncClient


@pytest.fixture(scope="module")
async def apps(settings: Settings, session_redis: LocalRedis) -> AsyncIterator[tuple[FastAPI, FastAPI]]:
    shared = limited(settings, redis_url=session_redis.url, replicas=2)
    async with running(shared) as one, running(shared) as another:
        yield one, another


@pytest.fixture
async def api(apps: tuple[FastAPI, FastAPI], redis_server: LocalRedis) -> AsyncIterator[Replicas]:
    await eventually(lambda: all(app.state.redis.is_here for app in apps))
    async with caller(apps[0]) as first, caller(apps[1]) as second:
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


async def name(client: httpx.AsyncClient, person: Person) -> str | None:
    profile = (await client.get(ME, headers=person.headers)).json()["data"]
    assert profile["id"] == str(person.id)
    found: str | None = profile["full_name"]
    return found


async def test_a_profile_that_is_changed_on_one_replica_is_new_on_the_other(api: Replicas, ada: Person) -> None:
    assert [await name(client, ada) for client in api] == [None, None]
    for value in ("Ada", "Countess"):
        await api.first.patch(ME, json={"full_name": value}, headers=ada.headers)
        assert await name(api.first, ada) == value

        async def has_arrived(value: str = value) -> bool:
            return await name(api.second, ada) == value

        await eventually(has_arrived, seconds=10)


async def test_a_profile_is_read_once_for_all_replicas(
    api: Replicas, ada: Person, admin: psycopg.Connection[Any]
) -> None:
    first = await api.first.get(ME, headers=ada.headers)
    admin.execute("update public.profiles set full_name = 'by SQL' where id = %s", (ada.id,))
    for client in api:
        again = await client.get(ME, headers={**ada.headers, "If-None-Match": first.headers["ETag"]})
        assert again.status_code == 304


async def test_nobody_is_shown_the_profile_of_another(api: Replicas, ada: Person, bob: Person) -> None:
    for _ in range(2):
        for client in api:
            answers = await asyncio.gather(
                *(client.get(ME, headers=person.headers) for _ in range(10) for person in (ada, bob))
            )
            ids = [answer.json()["data"]["id"] for answer in answers]
            assert ids == [str(ada.id), str(bob.id)] * 10
    hers = (await api.first.get(ME, headers=ada.headers)).headers["ETag"]
    his = await api.second.get(ME, headers={**bob.headers, "If-None-Match": hers})
    assert (his.status_code, his.json()["data"]["id"]) == (200, str(bob.id))


async def test_an_account_that_is_banned_on_one_replica_is_refused_on_the_other(
    api: Replicas, settings: Settings, ada: Person
) -> None:
    assert (await api.second.get(TASKS, headers=ada.headers)).status_code == 200
    service = sign(settings, claims(settings, uuid4(), role="service_role", session_id=None))
    banned = await api.first.put(
        f"/auth/v1/admin/users/{ada.id}",
        json={"ban_duration": "1h"},
        headers={"Authorization": f"Bearer {service}"},
    )
    assert banned.status_code == 200

    async def is_refused() -> bool:
        return (await api.second.get(TASKS, headers=ada.headers)).status_code == 401

    await eventually(is_refused, seconds=10)


async def test_somebody_who_is_switched_off_on_one_replica_is_refused_on_the_other(
    api: Replicas, new_person: NewPerson, ada: Person
) -> None:
    superuser = new_person(superuser=True)
    assert (await api.second.get(TASKS, headers=ada.headers)).status_code == 200
    switched_off = await api.first.patch(
        f"/api/v1/users/{ada.id}", json={"is_active": False}, headers=superuser.headers
    )
    assert switched_off.status_code == 200

    async def is_refused() -> bool:
        return (await api.second.get(TASKS, headers=ada.headers)).status_code == 401

    await eventually(is_refused, seconds=10)


async def test_a_new_language_is_spoken_at_once(api: Replicas, ada: Person) -> None:
    async def language(client: httpx.AsyncClient) -> str:
        answer = await client.get(f"{TASKS}/{uuid4()}", headers=ada.headers)
        return answer.headers["Content-Language"]

    assert [await language(client) for client in api] == ["en", "en"]
    await api.first.patch(ME, json={"locale": "de"}, headers=ada.headers)
    assert await language(api.first) == "de"

    async def is_german() -> bool:
        return await language(api.second) == "de"

    await eventually(is_german, seconds=10)
