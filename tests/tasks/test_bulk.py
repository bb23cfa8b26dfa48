"""Bulk writes: up to 1,000 in one transaction, all or nothing."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest

from tests.tasks.client import Json, TasksClient, error_of

MEBIBYTE = 1024 * 1024
LARGEST = 16 * MEBIBYTE


async def everything(adas: TasksClient) -> list[Json]:
    return await adas.walk(sort="title", limit=100)


async def test_creations_changes_and_deletions_go_together_in_the_order_asked_for(adas: TasksClient) -> None:
    one, two, three, four = await adas.add_all(*[{"title": title} for title in ("one", "two", "three", "four")])
    answer = await adas.bulk(
        create=[{"title": "z"}, {"title": "a", "priority": "urgent"}],
        update=[{"id": three["id"], "title": "THREE"}, {"id": one["id"], "status": "completed", "version": 1}],
        delete=[four["id"], two["id"]],
    )
    assert answer.status_code == 200
    result = answer.json()["data"]
    assert [task["title"] for task in result["created"]] == ["z", "a"]
    assert [(task["title"], task["status"], task["version"]) for task in result["updated"]] == [
        ("THREE", "pending", 2),
        ("one", "completed", 2),
    ]
    assert result["deleted"] == [four["id"], two["id"]]
    written = sorted([*result["created"], *result["updated"]], key=lambda task: task["title"].lower())
    assert await everything(adas) == written


async def test_1000_writes_are_done_and_1001_refused(adas: TasksClient) -> None:
    forms = [{"title": f"Task {number:04}"} for number in range(1000)]
    created = await adas.add_all(*forms)
    assert [task["title"] for task in created] == [form["title"] for form in forms]
    changes = [{"id": task["id"], "title": f"{task['title']}!"} for task in created[::-1]]
    assert error_of(await adas.bulk(update=changes, create=[{"title": "x"}])) == (422, "validation_failed", "body")
    assert error_of(await adas.bulk(create=[*forms, forms[0]])) == (422, "validation_failed", "create")
    changed = (await adas.bulk(update=changes)).json()["data"]["updated"]
    assert [task["title"] for task in changed] == [change["title"] for change in changes]
    assert {task["version"] for task in changed} == {2}
    deleted = await adas.bulk(delete=[task["id"] for task in created])
    assert deleted.status_code == 200
    assert await everything(adas) == []


async def test_an_empty_change_changes_nothing(adas: TasksClient) -> None:
    task = await adas.add()
    assert (await adas.bulk(update=[{"id": task["id"]}])).json()["data"]["updated"] == [task]


async def test_null_clears_in_bulk_as_in_patch(adas: TasksClient) -> None:
    task = await adas.add(description="x", due_at="2026-12-01T00:00:00Z")
    answer = await adas.bulk(update=[{"id": task["id"], "description": None, "due_at": None}])
    (changed,) = answer.json()["data"]["updated"]
    assert (changed["description"], changed["due_at"], changed["title"]) == (None, None, task["title"])


@pytest.mark.parametrize("where", ["update", "delete"])
@pytest.mark.parametrize("whose", ["bob's", "nobody's"])
async def test_one_task_out_of_reach_undoes_all(adas: TasksClient, bobs: TasksClient, where: str, whose: str) -> None:
    mine, other = await adas.add("mine"), await bobs.add("bob's")
    other_id = other["id"] if whose == "bob's" else str(uuid4())
    writes: dict[str, list[Any]] = {
        "create": [{"title": "new"}],
        "update": [{"id": mine["id"], "title": "changed"}],
        "delete": [],
    }
    writes[where].append({"id": other_id, "title": "taken"} if where == "update" else other_id)
    answer = await adas.bulk(**writes)
    assert error_of(answer) == (404, "task_not_found", None)
    assert answer.json()["error"]["details"] == {"ids": [other_id]}
    assert await everything(adas) == [mine]
    assert await everything(bobs) == [other]


async def test_one_version_that_has_passed_undoes_all(adas: TasksClient) -> None:
    first, second = await adas.add("first"), await adas.add("second")
    await adas.patch(second["id"], {"title": "second!"})
    before = await everything(adas)
    changes = [{"id": task["id"], "title": "changed", "version": 1} for task in (first, second)]
    answer = await adas.bulk(create=[{"title": "new"}], update=changes, delete=[])
    assert error_of(answer) == (412, "task_changed", None)
    assert answer.json()["error"]["details"] == {"ids": [second["id"]]}
    assert await everything(adas) == before


@pytest.mark.parametrize(
    ("writes", "field"),
    [
        ({}, "body"),
        ({"create": [], "update": [], "delete": []}, "body"),
        ({"create": [{"title": ""}]}, "create.0.title"),
        ({"create": [{"title": "x"}, {"title": "x", "owner_id": str(uuid4())}]}, "create.1.owner_id"),
        ({"update": [{"title": "x"}]}, "update.0.id"),
        ({"update": [{"id": "x"}]}, "update.0.id"),
        ({"update": [{"id": str(uuid4()), "title": None}]}, "update.0.title"),
        ({"update": [{"id": str(uuid4()), "version": 0}]}, "update.0.version"),
        ({"update": [{"id": str(uuid4()), "version": "1"}]}, "update.0.version"),
        ({"update": [{"id": str(uuid4()), "version": True}]}, "update.0.version"),
        ({"delete": ["x"]}, "delete.0"),
        ({"delete": [None]}, "delete.0"),
        ({"delete": str(uuid4())}, "delete"),
        ({"replace": []}, "replace"),
    ],
)
async def test_a_wrong_bulk_is_refused(adas: TasksClient, writes: Json, field: str) -> None:
    assert error_of(await adas.bulk(**writes)) == (422, "validation_failed", field)


async def test_a_task_may_be_named_once(adas: TasksClient) -> None:
    task = await adas.add()
    change = {"id": task["id"], "title": "x"}
    shouted = task["id"].upper()
    for writes in (
        {"update": [change, change]},
        {"delete": [task["id"], shouted]},
        {"update": [change], "delete": [shouted]},
    ):
        answer = await adas.bulk(**writes)
        assert error_of(answer) == (422, "validation_failed", "body")
        assert task["id"] in answer.json()["error"]["message"]
    assert await everything(adas) == [task]


async def test_bulks_on_the_same_rows_do_not_wait_for_each_other_in_a_circle(adas: TasksClient) -> None:
    tasks = await adas.add_all(*[{"title": f"{number:02}"} for number in range(40)])
    bulks = [
        adas.bulk(update=[{"id": task["id"], "description": f"bulk {number}"} for task in order])
        for number, order in enumerate([tasks, tasks[::-1]] * 4)
    ]
    answers = await asyncio.gather(*bulks)
    assert {answer.status_code for answer in answers} == {200}
    after = await everything(adas)
    assert {task["version"] for task in after} == {9}
    assert len({task["description"] for task in after}) == 1


async def test_a_bulk_that_meets_a_deletion_does_all_or_nothing(adas: TasksClient) -> None:
    for _ in range(4):
        first, second = await adas.add_all({"title": "a"}, {"title": "b"})
        changes = [{"id": task["id"], "title": "changed"} for task in (first, second)]
        bulk, deletion = await asyncio.gather(adas.bulk(update=changes), adas.delete(second["id"]))
        assert (bulk.status_code, deletion.status_code) in {(200, 204), (404, 204)}
        kept = (await adas.get(first["id"])).json()["data"]["title"]
        assert kept == ("changed" if bulk.status_code == 200 else "a")


def body_of(size: int) -> bytes:
    """A good bulk, padded with spaces to exactly this many bytes."""
    writes = json.dumps({"create": [{"title": "big", "description": "x" * 10_000}] * 1000}).encode()
    return writes + b" " * (size - len(writes))


async def test_a_bulk_of_16_mebibytes_is_taken_and_one_byte_more_refused(adas: TasksClient) -> None:
    json_type = {"Content-Type": "application/json"}
    taken = await adas.send("POST", "bulk", content=body_of(LARGEST), headers=json_type)
    assert taken.status_code == 200
    refused = await adas.send("POST", "bulk", content=body_of(LARGEST + 1), headers=json_type)
    assert error_of(refused) == (413, "body_too_large", None)


async def test_other_routes_take_a_mebibyte(adas: TasksClient) -> None:
    json_type = {"Content-Type": "application/json"}
    form = json.dumps({"title": "x"}).encode()
    fits = await adas.send("POST", content=form.ljust(MEBIBYTE), headers=json_type)
    assert fits.status_code == 201
    refused = await adas.send("POST", content=form.ljust(MEBIBYTE + 1), headers=json_type)
    assert error_of(refused) == (413, "body_too_large", None)
