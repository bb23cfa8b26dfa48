"""One task through its life: created, read, replaced, changed, deleted, and never anybody else's."""

from uuid import uuid4

import pytest

from tests.people import Person
from tests.tasks.client import TASKS, TasksClient, error_of

FULL = {
    "title": "Write",
    "description": "Half a page",
    "status": "in_progress",
    "priority": "high",
    "due_at": "2026-12-01T08:00:00+00:00",
}
DEFAULTS = {"description": None, "status": "pending", "priority": "medium", "due_at": None}
# The two doors build their JSON in different programs: texts and times that are written in more than one way.
HARD_TEXT = '"\\/\b\f\n\r\t\x01\x1f\x7f\u0085\u2028\u2029 é 😀 </script> ¡'
HARD_TIMES = [
    "2026-12-01T09:00:00+01:00",
    "2026-12-01T00:00:00.1Z",
    "2026-12-01T00:00:00.123400Z",
    "2026-12-01T00:00:00.000001Z",
    "0001-01-01T00:00:00Z",
    "0999-06-30T12:00:00Z",
    "9999-12-31T23:59:59.999999Z",
]


async def test_a_task_comes_back_as_it_was_created(adas: TasksClient, ada: Person) -> None:
    created = await adas.post({**FULL, "title": "  Write  "})
    assert created.status_code == 201
    task = created.json()["data"]
    assert task.items() >= FULL.items()
    assert (task["owner_id"], task["version"]) == (str(ada.id), 1)
    assert created.headers["Location"] == f"{TASKS}/{task['id']}"
    read = await adas.get(task["id"])
    assert read.json()["data"] == task
    assert read.headers["ETag"] == created.headers["ETag"] == '"1"'


async def test_only_the_title_is_required(adas: TasksClient) -> None:
    task = await adas.add("Alone")
    assert task.items() >= DEFAULTS.items()


@pytest.mark.parametrize("due_at", HARD_TIMES)
async def test_both_doors_write_the_same_bytes(adas: TasksClient, due_at: str) -> None:
    created = await adas.post({"title": HARD_TEXT, "description": HARD_TEXT, "due_at": due_at})
    task_id = created.json()["data"]["id"]
    assert (await adas.get(task_id)).content == created.content
    changed = await adas.patch(task_id, {"priority": "urgent"})
    assert (await adas.get(task_id)).content == changed.content
    listed = await adas.send("GET")
    assert changed.content.removesuffix(b',"message":null}').removeprefix(b'{"success":true,"data":') in listed.content


async def test_put_replaces_the_whole_task(adas: TasksClient) -> None:
    before = await adas.add(**FULL)
    after = (await adas.put(before["id"], {"title": "Only this"})).json()["data"]
    assert after.items() >= {"title": "Only this", **DEFAULTS, "version": 2}.items()
    assert (after["id"], after["created_at"]) == (before["id"], before["created_at"])
    assert after["updated_at"] > before["updated_at"]


async def test_patch_changes_what_it_names_and_nothing_else(adas: TasksClient) -> None:
    before = await adas.add(**FULL)
    after = (await adas.patch(before["id"], {"status": "completed"})).json()["data"]
    assert after == {**before, "status": "completed", "version": 2, "updated_at": after["updated_at"]}
    cleared = (await adas.patch(before["id"], {"description": None, "due_at": None})).json()["data"]
    assert cleared.items() >= {"description": None, "due_at": None, "title": "Write", "version": 3}.items()


async def test_an_empty_patch_changes_nothing(adas: TasksClient) -> None:
    created = await adas.post(FULL)
    patched = await adas.patch(created.json()["data"]["id"], {})
    assert (patched.status_code, patched.content) == (200, created.content)
    assert patched.headers["ETag"] == '"1"'


async def test_a_deleted_task_is_gone(adas: TasksClient) -> None:
    task = await adas.add()
    deleted = await adas.delete(task["id"])
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert error_of(await adas.get(task["id"])) == (404, "task_not_found", None)
    assert error_of(await adas.delete(task["id"])) == (404, "task_not_found", None)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("if_match", [{}, {"If-Match": "*"}, {"If-Match": '"1"'}, {"If-Match": '"7"'}])
async def test_the_task_of_another_is_a_404_for_every_verb(
    adas: TasksClient, bobs: TasksClient, method: str, if_match: dict[str, str]
) -> None:
    task = await adas.add()
    body = {"json": {"title": "Mine now"}} if method in {"PUT", "PATCH"} else {}
    refused = await bobs.send(method, task["id"], headers=if_match, **body)
    unknown = await bobs.send(method, uuid4(), headers=if_match, **body)
    assert refused.status_code == unknown.status_code == 404
    if method != "HEAD":
        assert error_of(refused) == error_of(unknown) == (404, "task_not_found", None)
    assert (await adas.get(task["id"])).json()["data"] == task


async def test_lists_and_search_show_ones_own_tasks_alone(adas: TasksClient, bobs: TasksClient) -> None:
    await adas.add("Secret plan")
    assert (await bobs.page(include_total=True))["meta"]["total"] == 0
    assert await bobs.titles() == await bobs.titles("search", q="secret") == []


async def test_without_a_token_there_is_nothing(adas: TasksClient) -> None:
    task = await adas.add()
    for method, path in [("GET", ""), ("POST", ""), ("GET", "search?q=a"), ("POST", "bulk"), ("GET", task["id"])]:
        answer = await adas.http.request(method, f"{TASKS}/{path}".rstrip("/"), json={"title": "x"})
        assert error_of(answer) == (401, "unauthenticated", None)
        assert answer.headers["WWW-Authenticate"] == "Bearer"
