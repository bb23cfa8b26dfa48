"""One request with a key, sent often and at once, to several replicas: it is done once."""

import asyncio
from typing import Any

import httpx
import psycopg

from api_main.core.settings import Settings
from local_stack.postgres import EmbeddedPostgres
from tests.conftest import API_PASSWORD
from tests.idempotency.client import TASKS, created, held, is_replay, new_key, post, waits
from tests.idempotency.relay import relaying
from tests.jobs.working import worker_settings, working
from tests.patience import eventually
from tests.people import Person
from tests.rls.serving import Service, serve
from tests.tasks.client import error_of

Admin = psycopg.Connection[Any]
FORM = {"title": "Only once"}


async def test_fifty_at_once_at_two_replicas_create_one_task(
    client: httpx.AsyncClient, replica: Service, admin: Admin, ada: Person
) -> None:
    key = new_key()
    answers = await asyncio.gather(
        *(post((client, replica.client)[number % 2], ada, TASKS, key, json=FORM) for number in range(50))
    )
    assert created(admin, ada) == 1
    assert {answer.status_code for answer in answers} <= {201, 409}
    done = [answer for answer in answers if answer.status_code == 201]
    assert [is_replay(answer) for answer in done].count(False) == 1
    assert len({answer.content for answer in done}) == 1
    for answer in answers:
        if answer.status_code == 409:
            assert error_of(answer) == (409, "request_running", "Idempotency-Key")
            assert int(answer.headers["Retry-After"]) >= 1
    for http in (client, replica.client):
        again = await post(http, ada, TASKS, key, json=FORM)
        assert (again.content, is_replay(again)) == (done[0].content, True)


async def test_while_the_first_one_runs_the_others_do_not_wait(
    client: httpx.AsyncClient, replica: Service, admin: Admin, admin_url: str, ada: Person, bob: Person
) -> None:
    key = new_key()
    with held(admin_url, "public.tasks"):
        first = asyncio.create_task(post(client, ada, TASKS, key, json=FORM))
        await eventually(lambda: waits(admin))
        for http in (client, replica.client):
            assert error_of(await post(http, ada, TASKS, key, json=FORM)) == (409, "request_running", "Idempotency-Key")
        bobs = asyncio.create_task(post(replica.client, bob, TASKS, key, json=FORM))
    assert not is_replay(await first)
    assert is_replay(await post(replica.client, ada, TASKS, key, json=FORM))
    assert (await bobs).status_code == 201
    assert (created(admin, ada), created(admin, bob)) == (1, 1)


async def test_a_request_that_is_cut_off_frees_its_key(
    client: httpx.AsyncClient, replica: Service, admin: Admin, admin_url: str, ada: Person
) -> None:
    key = new_key()
    with held(admin_url, "public.tasks"):
        first = asyncio.create_task(post(client, ada, TASKS, key, json=FORM))
        await eventually(lambda: waits(admin))
        first.cancel()
        await asyncio.wait([first])
    answer = await post(replica.client, ada, TASKS, key, json=FORM)
    assert (answer.status_code, is_replay(answer)) == (201, False)
    assert created(admin, ada) == 1


async def test_a_key_costs_one_round_trip(settings: Settings, postgres: EmbeddedPostgres, ada: Person) -> None:
    """The claim takes `BEGIN` and the prelude along, and the answer goes with `COMMIT`."""
    direct = postgres.tcp_url(user="api_main", password=API_PASSWORD)
    async with relaying(postgres.port) as (relay, port):
        one = {"database_url": direct.replace(f":{postgres.port}/", f":{port}/"), "database_pool_max": 1}
        async with serve(settings.model_copy(update=one)) as service:
            await post(service.client, ada, TASKS, None, json=FORM)  # who it is, and the session, are known from now on

            async def round_trips(key: str | None) -> int:
                before = relay.round_trips
                assert (await post(service.client, ada, TASKS, key, json=FORM)).status_code == 201
                return relay.round_trips - before

            key = new_key()
            assert [await round_trips(None), await round_trips(key), await round_trips(key)] == [2, 3, 2]


async def test_a_worker_sweeps_what_has_expired(
    client: httpx.AsyncClient, settings: Settings, admin: Admin, ada: Person, bob: Person
) -> None:
    for person in (ada, bob):
        await post(client, person, TASKS, new_key(), json=FORM)
    expire = "update public.idempotency_keys set expires_at = now() where owner_id = %s"
    admin.execute(expire, (ada.id,))
    left = "select owner_id from public.idempotency_keys where owner_id = any (%s)"
    async with working(worker_settings(settings)):
        await eventually(lambda: admin.execute(left, ([ada.id, bob.id],)).fetchall() == [(bob.id,)])
