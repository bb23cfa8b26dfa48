"""Ask for a job, see it, cancel it, fetch what it made: what the API answers."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from api_main.core.pagination import Cursor
from api_main.core.settings import Settings
from tests.jobs.client import JOBS, JobsClient, Json
from tests.jobs.working import queue_as
from tests.patience import eventually
from tests.people import Person
from tests.rls.serving import serve

EXPORT = {"kind": "tasks.export", "format": "json"}

Set = Callable[..., None]


@pytest.fixture
def set_job(admin: psycopg.Connection[Any]) -> Set:
    """Write what only a worker may write."""

    def write(job_id: str, **columns: Any) -> None:
        changes = ", ".join(f"{name} = %({name})s" for name in columns)
        admin.execute(f"update public.jobs set {changes} where id = %(id)s".encode(), {**columns, "id": job_id})

    return write


def code_of(answer: httpx.Response) -> str:
    code: str = answer.json()["error"]["code"]
    return code


@pytest.mark.usefixtures("worker")
async def test_a_job_is_accepted_runs_and_gives_its_file(adas: JobsClient) -> None:
    await adas.http.post("/api/v1/tasks", json={"title": "Tell nobody"}, headers=adas.person.headers)
    queued = await adas.queue("tasks.export", format="json")
    assert (queued["state"], queued["attempts"], queued["result"]) == ("queued", 0, None)
    job = await adas.wait(queued["id"])
    assert (job["state"], job["attempts"], job["error"]) == ("succeeded", 1, None)
    assert job["progress"] == {"done": 1, "total": 1}
    assert job["created_at"] <= job["started_at"] <= job["finished_at"] < job["expires_at"]
    answer = await adas.result(job["id"])
    size = len(answer.content)
    assert job["result"] == {
        "summary": {"rows": 1},
        "file": {"name": "tasks.json", "media_type": "application/json", "size": size},
    }
    assert answer.headers["content-disposition"] == 'attachment; filename="tasks.json"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert [task["title"] for task in answer.json()] == ["Tell nobody"]


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({}, "body"),
        ({"kind": "tasks.delete"}, "body"),
        ({"kind": "tasks.export"}, "tasks.export.format"),
        ({"kind": "tasks.export", "format": "xml"}, "tasks.export.format"),
        ({**EXPORT, "owner_id": "0a0a0a0a-0000-4000-8000-000000000001"}, "tasks.export.owner_id"),
        ({**EXPORT, "priority": "highest"}, "tasks.export.priority"),
        ({"kind": "tasks.import", "format": "csv"}, "tasks.import.content"),
        ({"kind": "tasks.import", "format": "csv", "content": "a\x00b"}, "tasks.import.content"),
        ({"kind": "tasks.report", "format": "svg", "days": 0}, "tasks.report.days"),
        ({"kind": "tasks.report", "format": "svg", "days": 366}, "tasks.report.days"),
    ],
    ids=str,
)
async def test_a_form_that_is_wrong_is_refused(adas: JobsClient, form: Json, field: str) -> None:
    answer = await adas.send("POST", json=form)
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)


async def test_a_file_must_say_what_it_is_and_hold_something(adas: JobsClient) -> None:
    unknown = await adas.send("POST", "/import", content=b"title\nx\n", headers={"Content-Type": "text/plain"})
    assert (unknown.status_code, code_of(unknown)) == (415, "unsupported_media_type")
    empty = await adas.send("POST", "/import", content=b"", headers={"Content-Type": "text/csv"})
    assert (empty.status_code, code_of(empty)) == (422, "validation_failed")
    large = await adas.send("POST", "/import", content=b"x" * (16 * 1024**2 + 1), headers={"Content-Type": "text/csv"})
    assert (large.status_code, code_of(large)) == (413, "body_too_large")


async def test_another_persons_job_is_not_there(adas: JobsClient, bobs: JobsClient) -> None:
    job = await adas.queue("tasks.export", format="csv")
    for method, path in (("GET", ""), ("GET", "/result"), ("GET", "/events"), ("DELETE", "")):
        answer = await bobs.send(method, f"/{job['id']}{path}")
        assert (answer.status_code, code_of(answer)) == (404, "job_not_found")
    assert (await bobs.send("GET")).json()["data"] == []
    assert (await adas.get(job["id"]))["state"] == "queued"


async def test_nobody_gets_nowhere(client: httpx.AsyncClient) -> None:
    for method, path in (("GET", ""), ("POST", ""), ("POST", "/import"), ("GET", f"/{uuid4()}/events")):
        answer = await client.request(method, f"{JOBS}{path}", json=EXPORT if method == "POST" else None)
        assert (answer.status_code, code_of(answer)) == (401, "unauthenticated")


async def test_the_list_is_filtered_and_leafed_through(adas: JobsClient, set_job: Set) -> None:
    made = [(await adas.queue("tasks.export", format="csv"))["id"] for _ in range(4)]
    report = (await adas.queue("tasks.report", format="svg"))["id"]
    set_job(made[0], state="running")
    newest_first = [report, *reversed(made)]
    listed: list[str] = []
    cursor: Any = ""
    for _ in range(3):
        page = (await adas.send("GET", f"?limit=2{cursor and f'&cursor={cursor}'}")).json()
        listed += [job["id"] for job in page["data"]]
        cursor = page["meta"]["next_cursor"]
    assert (listed, cursor) == (newest_first, None)
    for query, expected in {
        "?kind=tasks.report": [report],
        "?kind=tasks.report&kind=tasks.export": newest_first,
        "?state=running": [made[0]],
        "?state=running&kind=tasks.report": [],
        "?state=running&state=queued": newest_first,
    }.items():
        assert [job["id"] for job in (await adas.send("GET", query)).json()["data"]] == expected


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        *(Cursor.write("-created", key, str(UUID(int=0))) for key in ("x", "2026-11-20")),
        Cursor.write("x", "x", "x"),
    ],
)
async def test_a_cursor_of_another_making_is_refused(adas: JobsClient, cursor: str) -> None:
    answer = await adas.send("GET", f"?cursor={cursor}")
    assert (answer.status_code, code_of(answer)) == (400, "invalid_cursor")


async def test_a_queued_job_is_cancelled_once_and_for_all(adas: JobsClient, admin: psycopg.Connection[Any]) -> None:
    job = await adas.import_file(b"title\nx\n")
    assert [await adas.cancel(job["id"]), await adas.cancel(job["id"])] == [204, 204]
    cancelled = await adas.get(job["id"])
    assert (cancelled["state"], cancelled["result"], cancelled["error"]) == ("cancelled", None, None)
    assert cancelled["expires_at"] > cancelled["finished_at"] >= cancelled["created_at"]
    left = "select count(*) from public.job_files where job_id = %s"
    assert admin.execute(left, (job["id"],)).fetchone() == (0,)
    queued = "select count(*) from procrastinate.procrastinate_jobs where args ->> 'job_id' = %s"
    assert admin.execute(queued, (job["id"],)).fetchone() == (0,)


async def test_what_is_finished_can_no_longer_be_cancelled(adas: JobsClient, set_job: Set) -> None:
    for state in ("succeeded", "failed"):
        job = await adas.queue("tasks.export", format="csv")
        set_job(job["id"], state=state)
        answer = await adas.send("DELETE", f"/{job['id']}")
        assert (answer.status_code, code_of(answer)) == (409, "job_finished")
        assert (await adas.get(job["id"]))["state"] == state


async def test_there_is_no_file_before_the_end_and_perhaps_none_after_it(adas: JobsClient, set_job: Set) -> None:
    job = await adas.queue("tasks.export", format="csv")
    early = await adas.send("GET", f"/{job['id']}/result")
    assert (early.status_code, code_of(early)) == (409, "job_not_finished")
    set_job(job["id"], state="succeeded", result='{"summary": {}, "file": null}')
    without = await adas.send("GET", f"/{job['id']}/result")
    assert (without.status_code, code_of(without)) == (404, "job_has_no_file")


async def test_a_person_may_have_only_so_many_jobs_queued(
    settings: Settings, ada: Person, bob: Person, admin: psycopg.Connection[Any]
) -> None:
    async with serve(settings.model_copy(update={"jobs_per_user": 2})) as service:
        adas, bobs = JobsClient(service.client, ada), JobsClient(service.client, bob)
        first = await adas.queue("tasks.export", format="csv")
        await adas.import_file(b"title\nx\n")
        for refused in (
            await adas.send("POST", json=EXPORT),
            await adas.send("POST", "/import", content=b"title\nx\n", headers={"Content-Type": "text/csv"}),
        ):
            assert (refused.status_code, code_of(refused)) == (429, "too_many_jobs")
            assert int(refused.headers["retry-after"]) > 0
        await bobs.queue("tasks.export", format="csv")
        await adas.cancel(first["id"])
        await adas.queue("tasks.export", format="csv")


async def test_two_requests_at_once_do_not_share_the_last_place(
    settings: Settings, api_url: str, ada: Person, admin: psycopg.Connection[Any]
) -> None:
    """The first one has not committed when the second one counts."""
    claims = (f'{{"sub": "{ada.id}", "role": "authenticated"}}',)
    become = "select set_config('role', 'authenticated', true), set_config('request.jwt.claims', %s, true)"
    enqueue = """select private.enqueue_job('tasks.export', '{"format": "json"}', 'normal', null, 1)"""
    async with (
        await psycopg.AsyncConnection.connect(api_url) as one,
        await psycopg.AsyncConnection.connect(api_url) as two,
    ):
        await one.execute(become, claims)
        await two.execute(become, claims)
        await one.execute(enqueue)
        waiting = asyncio.create_task(two.execute(enqueue))
        await _until_it_waits_for_a_lock(admin, two.info.backend_pid)
        await one.commit()
        assert await (await waiting).fetchone() == (None,)
    queued = "select count(*) from public.jobs where owner_id = %s"
    assert admin.execute(queued, (ada.id,)).fetchone() == (1,)


async def _until_it_waits_for_a_lock(admin: psycopg.Connection[Any], backend: int) -> None:
    waits = "select wait_event_type = 'Lock' from pg_stat_activity where pid = %s"
    await eventually(lambda: admin.execute(waits, (backend,)).fetchone() == (True,))


async def test_a_token_needs_the_scope_of_what_the_job_does_as_well(adas: JobsClient) -> None:
    created = await adas.http.post(
        "/api/v1/tokens", json={"name": "x", "scopes": ["jobs:write", "tasks:read"]}, headers=adas.person.headers
    )
    headers = {"Authorization": f"Bearer {created.json()['data']['token']}"}
    assert (await adas.send("POST", json=EXPORT, headers=headers)).status_code == 202
    refused = await adas.send(
        "POST", json={"kind": "tasks.import", "format": "csv", "content": "title\nx\n"}, headers=headers
    )
    assert (refused.status_code, code_of(refused)) == (403, "insufficient_scope")
    assert refused.json()["error"]["details"] == {"needed": ["tasks:write"]}


async def test_accepted_means_committed(adas: JobsClient, admin: psycopg.Connection[Any]) -> None:
    """The job and its place in the queue are there together once the answer is, and not at all if it is undone."""
    job = await adas.queue("tasks.export", format="csv")
    queued = (
        "select args from procrastinate.procrastinate_jobs q join public.jobs j on j.queue_id = q.id where j.id = %s"
    )
    assert admin.execute(queued, (job["id"],)).fetchone() == ({"job_id": job["id"]},)
    before = admin.execute("select count(*) from procrastinate.procrastinate_jobs").fetchone()
    with admin.transaction(force_rollback=True):
        queue_as(admin, adas.person, "tasks.export")
    assert admin.execute("select count(*) from procrastinate.procrastinate_jobs").fetchone() == before
