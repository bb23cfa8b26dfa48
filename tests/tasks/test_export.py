"""What an export holds: every task that matches, once, in either form."""

import csv
import io
import json
from typing import Any

import httpx
import pytest

from api_main.tasks.exchange.writing import COLUMNS
from api_main.tasks.export import service
from tests.people import Person
from tests.tasks.client import Json, TasksClient, error_of

FORMULA = "=HYPERLINK(1)"


async def lines(adas: TasksClient, **query: Any) -> list[Json]:
    answer = await adas.send("GET", "export", params=query)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/x-ndjson")
    assert answer.content == b"" or answer.content.endswith(b"\n")
    return [json.loads(line) for line in answer.content.splitlines()]


@pytest.fixture
async def seven(adas: TasksClient) -> list[Json]:
    """Seven tasks, of which three were made at one moment."""
    first = [await adas.add("one", status="completed"), await adas.add("a line\nand a comma,", priority="high")]
    together = await adas.add_all(*({"title": title, "due_at": "2026-12-01T00:00:00Z"} for title in "abc"))
    last = [await adas.add(FORMULA), await adas.add("seven", description="é")]
    return [*first, *sorted(together, key=lambda task: task["id"]), *last]


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 8])
async def test_an_export_holds_every_task_once_the_oldest_first(
    adas: TasksClient, bobs: TasksClient, seven: list[Json], chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "CHUNK", chunk)
    await bobs.add("of Bob")
    assert await lines(adas) == seven
    assert [task["title"] for task in await lines(bobs)] == ["of Bob"]


async def test_nothing_is_a_file_too(adas: TasksClient) -> None:
    assert await lines(adas) == []
    assert (await adas.send("GET", "export?format=csv")).text == ",".join(COLUMNS) + "\r\n"


@pytest.mark.parametrize("chunk", [2, 500])
async def test_csv_is_that_of_the_export_job(
    adas: TasksClient, seven: list[Json], chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "CHUNK", chunk)
    answer = await adas.send("GET", "export", params={"format": "csv"})
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    found = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    shown = [{name: task[name] or "" for name in COLUMNS} for task in seven]
    shown[5]["title"] = f"'{FORMULA}"
    assert found == shown


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ({"status": "completed"}, ["one"]),
        ({"priority": "high"}, ["a line\nand a comma,"]),
        ({"due_before": "2027-01-01T00:00:00Z", "q": "c"}, ["c"]),
        ({"due_after": "2027-01-01T00:00:00Z"}, []),
        ({"q": "sev"}, ["seven"]),
    ],
    ids=["status", "priority", "due and words", "later", "words"],
)
async def test_the_filters_are_those_of_the_list(
    adas: TasksClient, seven: list[Json], query: dict[str, str], titles: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "CHUNK", 1)
    assert [task["title"] for task in await lines(adas, **query)] == titles
    assert sorted(titles) == sorted(await adas.titles(**query))


@pytest.mark.parametrize(
    ("query", "accept", "form"),
    [
        ("", "*/*", "ndjson"),
        ("", "text/csv", "csv"),
        ("", "text/html, Text/CSV;q=0.5", "csv"),
        ("", "application/x-ndjson", "ndjson"),
        ("?format=ndjson", "text/csv", "ndjson"),
        ("?format=csv", "application/json", "csv"),
    ],
    ids=str,
)
async def test_the_form_is_asked_for_by_name_or_by_type(adas: TasksClient, query: str, accept: str, form: str) -> None:
    answer = await adas.send("GET", f"export{query}", headers={"Accept": accept})
    assert answer.headers["Content-Disposition"] == f'attachment; filename="tasks.{form}"'
    assert "Accept" in answer.headers.get_list("Vary", split_commas=True)


@pytest.mark.parametrize("query", ["format=xml", "format=", "sort=title", "limit=5", "status=lost", "q="])
async def test_what_an_export_does_not_know_is_refused(adas: TasksClient, query: str) -> None:
    answer = await adas.send("GET", f"export?{query}")
    status, code, field = error_of(answer)
    assert (status, code, str(field).partition(".")[0]) == (422, "validation_failed", query.partition("=")[0])


async def test_an_export_is_for_those_who_may_read(client: httpx.AsyncClient, ada: Person, seven: list[Json]) -> None:
    answers = [await client.get("/api/v1/tasks/export")]
    for scope in ("tasks:write", "tasks:read"):
        form = {"name": "Export", "scopes": [scope]}
        token = (await client.post("/api/v1/tokens", json=form, headers=ada.headers)).json()["data"]["token"]
        answers.append(await client.get("/api/v1/tasks/export", headers={"Authorization": f"Bearer {token}"}))
    assert [answer.status_code for answer in answers] == [401, 403, 200]
    assert len(answers[2].content.splitlines()) == len(seven)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("export", "GET, HEAD"), ("search", "GET, HEAD"), ("bulk", "POST")],
    ids=["get", "search", "post"],
)
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_what_is_no_tasks_id_is_not_taken_for_one(
    adas: TasksClient, path: str, allowed: str, method: str
) -> None:
    answer = await adas.send(method, path, json={})
    assert error_of(answer) == (405, "method_not_allowed", None)
    assert answer.headers["Allow"] == allowed
