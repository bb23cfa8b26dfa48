"""What a task may not be. Every refusal names the field at fault."""

import json
from typing import Any
from uuid import uuid4

import pytest

from tests.tasks.client import TasksClient, error_of

LONGEST = 255
# Four bytes each in UTF-8 and two units each in UTF-16: a limit in anything but code points would show.
FACES = "😀" * LONGEST

WRONG_VALUES: list[tuple[str, Any]] = [
    ("title", ""),
    ("title", " \t\n "),
    ("title", "x" * (LONGEST + 1)),
    ("title", FACES + "!"),
    ("title", "a\x00b"),
    ("title", None),
    ("title", 5),
    ("title", ["x"]),
    ("description", "x" * 10_001),
    ("description", "\x00"),
    ("description", {}),
    ("status", "done"),
    ("status", "PENDING"),
    ("status", None),
    ("priority", 1),
    ("priority", ""),
    ("due_at", "2026-12-01T09:00:00"),
    ("due_at", "2026-12-01"),
    ("due_at", "tomorrow"),
    ("due_at", "2026-02-30T00:00:00Z"),
    ("due_at", "10000-01-01T00:00:00Z"),
    ("due_at", "9999-12-31T23:59:59-01:00"),
    ("due_at", "0001-01-01T00:00:00+01:00"),
    ("due_at", 1_790_000_000),
    ("due_at", "1790000000"),
    ("due_at", "1e9"),
    ("due_at", True),
    ("owner_id", str(uuid4())),
    ("id", str(uuid4())),
    ("version", 1),
    ("created_at", "2026-12-01T09:00:00Z"),
    ("colour", "red"),
]


@pytest.mark.parametrize(("field", "value"), WRONG_VALUES)
async def test_a_wrong_value_is_refused_by_every_write(adas: TasksClient, field: str, value: Any) -> None:
    task = await adas.add()
    wrong = {"title": "Right", field: value}
    assert error_of(await adas.post(wrong)) == (422, "validation_failed", field)
    assert error_of(await adas.put(task["id"], wrong)) == (422, "validation_failed", field)
    assert error_of(await adas.patch(task["id"], {field: value})) == (422, "validation_failed", field)
    assert error_of(await adas.bulk(create=[wrong])) == (422, "validation_failed", f"create.0.{field}")
    assert (await adas.get(task["id"])).json()["data"] == task


@pytest.mark.parametrize("title", ["x", FACES, "  " + FACES + " \n", "\u200b", "<b>", "' or 1=1 --", "\u202egnirts"])
async def test_any_title_of_1_to_255_code_points_after_stripping_is_kept(adas: TasksClient, title: str) -> None:
    assert (await adas.add(title))["title"] == title.strip()


async def test_a_description_may_be_empty_and_keeps_its_spaces(adas: TasksClient) -> None:
    assert (await adas.add(description=""))["description"] == ""
    assert (await adas.add(description=" a "))["description"] == " a "
    assert len((await adas.add(description="😀" * 10_000))["description"]) == 10_000


@pytest.mark.parametrize("name", ["title", "description", "colour"])
async def test_half_a_surrogate_pair_is_refused(adas: TasksClient, name: str) -> None:
    for body in (f'{{"title":"x","{name}":"\\ud800"}}', f'{{"title":"x","{name}\\udfff":1}}'):
        answer = await adas.send("POST", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422


async def test_every_fault_is_listed(adas: TasksClient) -> None:
    error = (await adas.post({"title": "", "status": "done", "colour": "red"})).json()["error"]
    assert {(fault["field"], fault["code"]) for fault in error["details"]} == {
        ("title", "string_too_short"),
        ("status", "enum"),
        ("colour", "extra_forbidden"),
    }
    assert all(fault["message"] for fault in error["details"])
    assert error["message"] == error["details"][0]["message"]


async def test_a_body_full_of_faults_gets_a_short_answer(adas: TasksClient) -> None:
    answer = await adas.post({f"field{number}": number for number in range(5_000)})
    assert answer.status_code == 422
    assert len(answer.json()["error"]["details"]) == 100


async def test_no_refusal_repeats_what_was_sent(adas: TasksClient) -> None:
    answer = await adas.post({"title": ["s3cret"], "status": "s3cret", "due_at": "s3cret"})
    assert "s3cret" not in answer.text


@pytest.mark.parametrize("task_id", ["nope", "0", "%00", "..%2f", "1" * 1000, "é"])
async def test_an_id_that_is_no_uuid_is_refused(adas: TasksClient, task_id: str) -> None:
    answer = await adas.get(task_id)
    assert answer.status_code in {404, 422}
    if answer.status_code == 422:
        assert error_of(answer) == (422, "validation_failed", "task_id")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=", "status.0"),
        ("status=pending&status=done", "status.1"),
        ("priority=High", "priority.0"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=ten", "limit"),
        ("limit=1.5", "limit"),
        ("sort=owner_id", "sort"),
        ("sort=created;drop", "sort"),
        ("sort=", "sort"),
        ("due_before=2026-12-01", "due_before"),
        ("due_after=1790000000", "due_after"),
        ("due_after=0001-01-01T00:00:00%2B14:00", "due_after"),
        ("q=", "q"),
        ("q=%00", "q"),
        ("q=" + "x" * 256, "q"),
        ("include_total=perhaps", "include_total"),
        ("owner_id=1", "owner_id"),
    ],
)
async def test_a_wrong_filter_is_refused(adas: TasksClient, query: str, field: str) -> None:
    assert error_of(await adas.send("GET", f"?{query}")) == (422, "validation_failed", field)


async def test_the_title_of_a_json_body_is_utf_8(adas: TasksClient) -> None:
    body = json.dumps({"title": "é"}, ensure_ascii=False)
    json_type = {"Content-Type": "application/json"}
    good = await adas.send("POST", content=body.encode(), headers=json_type)
    assert good.json()["data"]["title"] == "é"
    bad = await adas.send("POST", content=body.encode("latin-1"), headers=json_type)
    assert error_of(bad) == (400, "bad_request", None)
