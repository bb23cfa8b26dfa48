"""Follow a job: every change as an event, and no connection to the database in between."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import psycopg
import pytest

from api_main.core.settings import Settings
from api_main.main import create_app
from tests.events.client import follow
from tests.jobs.client import JOBS, JobsClient, Json
from tests.patience import PATIENCE, eventually
from tests.people import Person, claims, sign
from tests.serving import serve

ONE_CONNECTION = {"database_pool_min": 1, "database_pool_max": 1}
LIVE = {"live_connection_seconds": 600.0, "live_connections_per_user": 20, "revocation_seconds": 1}


@pytest.fixture
async def address(settings: Settings) -> AsyncIterator[str]:
    """The API on a socket, with a single connection to the database."""
    with serve(create_app(settings.model_copy(update={**ONE_CONNECTION, **LIVE}))) as url:
        yield url


@pytest.fixture
async def adas(address: str, ada: Person) -> AsyncIterator[JobsClient]:
    async with httpx.AsyncClient(base_url=address, timeout=PATIENCE) as http:
        yield JobsClient(http, ada)


async def events(client: JobsClient, job_id: str, seen: list[Json]) -> None:
    """Collect the events of a stream until it ends."""
    url, headers = f"{JOBS}/{job_id}/events", client.person.headers
    async with client.http.stream("GET", url, headers=headers) as stream:
        assert stream.status_code == 200
        assert stream.headers["content-type"].startswith("text/event-stream")
        async for line in stream.aiter_lines():
            if line.startswith("data: "):
                seen += [json.loads(line.removeprefix("data: "))]


async def until(seen: list[Json], state: str, done: int = 0) -> None:
    await eventually(lambda: any((event["state"], event["progress"]["done"]) == (state, done) for event in seen))


async def test_every_change_is_an_event_and_the_end_ends_the_stream(
    adas: JobsClient, admin: psycopg.Connection[Any]
) -> None:
    job, seen = await adas.queue("tasks.export", format="csv"), list[Json]()
    change = "update public.jobs set state = %s, done = %s, total = 10 where id = %s"
    async with asyncio.TaskGroup() as group:
        group.create_task(events(adas, job["id"], seen))
        await until(seen, "queued")
        admin.execute(change, ("running", 3, job["id"]))
        await until(seen, "running", 3)
        admin.execute(change, ("running", 7, job["id"]))
        await until(seen, "running", 7)
        admin.execute(change, ("succeeded", 10, job["id"]))
    assert [(event["state"], event["progress"]["done"]) for event in seen] == [
        ("queued", 0), ("running", 3), ("running", 7), ("succeeded", 10),
    ]  # fmt: skip
    assert seen[-1] == await adas.get(job["id"])
    again = list[Json]()
    await events(adas, job["id"], again)
    assert again == seen[-1:]


async def test_many_who_wait_leave_the_one_connection_to_the_others(adas: JobsClient) -> None:
    """Twenty idle streams, and a single connection: everything else goes on."""
    job = await adas.queue("tasks.export", format="csv")
    streams = [list[Json]() for _ in range(20)]
    async with asyncio.TaskGroup() as group:
        for seen in streams:
            group.create_task(events(adas, job["id"], seen))
        for seen in streams:
            await until(seen, "queued")
        for _ in range(10):
            assert (await adas.get(job["id"]))["state"] == "queued"
        assert await adas.cancel(job["id"]) == 204
    assert [[event["state"] for event in seen] for seen in streams] == [["queued", "cancelled"]] * 20


async def test_a_stream_ends_when_the_job_is_gone(adas: JobsClient, admin: psycopg.Connection[Any]) -> None:
    job, seen = await adas.queue("tasks.export", format="csv"), list[Json]()
    async with asyncio.TaskGroup() as group:
        group.create_task(events(adas, job["id"], seen))
        await until(seen, "queued")
        admin.execute("delete from public.jobs where id = %s", (job["id"],))
    assert [event["state"] for event in seen] == ["queued"]


async def test_a_stream_ends_with_the_token(adas: JobsClient, settings: Settings) -> None:
    job, seen = await adas.queue("tasks.export", format="csv"), list[Json]()
    ada = adas.person
    short = claims(settings, ada.id, ada.session)
    short["exp"] = short["iat"] + 5  # within which a busy machine opens the stream
    brief = Person(ada.id, ada.email, ada.session, sign(settings, short))
    await events(JobsClient(adas.http, brief), job["id"], seen)
    assert [event["state"] for event in seen] == ["queued"]


async def test_a_stream_ends_with_the_session(adas: JobsClient, admin: psycopg.Connection[Any]) -> None:
    job, seen = await adas.queue("tasks.export", format="csv"), list[Json]()
    async with asyncio.TaskGroup() as group:
        group.create_task(events(adas, job["id"], seen))
        await until(seen, "queued")
        admin.execute("delete from auth.sessions where id = %s", (adas.person.session,))
    assert [event["state"] for event in seen] == ["queued"]


async def test_a_stream_of_a_personal_token_ends_when_it_is_revoked(adas: JobsClient) -> None:
    job, seen, ada = await adas.queue("tasks.export", format="csv"), list[Json](), adas.person
    form = {"name": "watch", "scopes": ["jobs:read"]}
    token = (await adas.http.post("/api/v1/tokens", json=form, headers=ada.headers)).json()["data"]
    program = JobsClient(adas.http, Person(ada.id, ada.email, ada.session, token["token"]))
    async with asyncio.TaskGroup() as group:
        group.create_task(events(program, job["id"], seen))
        await until(seen, "queued")
        await adas.http.delete(f"/api/v1/tokens/{token['id']}", headers=ada.headers)
    assert [event["state"] for event in seen] == ["queued"]


async def test_a_stream_ends_in_time(settings: Settings, ada: Person) -> None:
    brief = settings.model_copy(update={"live_connection_seconds": 1.0})
    with serve(create_app(brief)) as url:
        async with httpx.AsyncClient(base_url=url, timeout=PATIENCE) as http:
            client, seen = JobsClient(http, ada), list[Json]()
            job = await client.queue("tasks.export", format="csv")
            await events(client, job["id"], seen)
            assert [event["state"] for event in seen] == ["queued"]


async def test_streams_of_jobs_and_of_tasks_count_together(settings: Settings, ada: Person) -> None:
    with serve(create_app(settings.model_copy(update={**LIVE, "live_connections_per_user": 1}))) as url:
        async with httpx.AsyncClient(base_url=url, timeout=PATIENCE) as http:
            client = JobsClient(http, ada)
            job = await client.queue("tasks.export", format="csv")
            async with follow(http, ada):
                refused = await client.send("GET", f"/{job['id']}/events")
                assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_streams")


async def test_the_head_of_a_stream_opens_none(adas: JobsClient) -> None:
    job = await adas.queue("tasks.export", format="csv")
    answer = await adas.send("HEAD", f"/{job['id']}/events")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")
    assert (await adas.send("HEAD", f"/{job['id']}")).status_code == 200


async def test_a_slow_reader_of_a_result_holds_no_connection(adas: JobsClient, admin: psycopg.Connection[Any]) -> None:
    """Far more than fits into the buffers of a socket, of which a part is read, then nothing for a while."""
    job = await adas.queue("tasks.export", format="csv")
    part, parts = b"x" * 256 * 1024, 64
    admin.execute(
        "insert into public.job_files select %s, 'result', n, %s from generate_series(0, %s) n",
        (job["id"], part, parts - 1),
    )
    file = {"name": "tasks.csv", "media_type": "text/csv", "size": len(part) * parts}
    admin.execute(
        "update public.jobs set state = 'succeeded', result = %s where id = %s",
        (json.dumps({"summary": {}, "file": file}), job["id"]),
    )
    url = f"{JOBS}/{job['id']}/result"
    async with adas.http.stream("GET", url, headers=adas.person.headers) as stream:
        chunks = stream.aiter_raw()
        received = len(await anext(chunks))
        for _ in range(5):
            assert (await adas.get(job["id"]))["state"] == "succeeded"
        async for chunk in chunks:
            received += len(chunk)
    assert received == file["size"]
