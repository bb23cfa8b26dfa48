"""The reference feature through the API: what its owner can do, and what nobody else can."""

import httpx

from tests.people import Person

TASKS = "/api/v1/tasks"


async def test_a_task_comes_back_as_it_was_created(client: httpx.AsyncClient, ada: Person) -> None:
    form = {
        "title": "  Write  ",
        "description": "Half a page",
        "priority": "high",
        "due_at": "2026-12-01T09:00:00+01:00",
    }
    created = await client.post(TASKS, json=form, headers=ada.headers)
    assert created.status_code == 201
    task = created.json()["data"]
    assert task["title"] == "Write"
    assert (task["status"], task["priority"], task["version"]) == ("pending", "high", 1)
    assert task["due_at"] == "2026-12-01T08:00:00+00:00"
    read = await client.get(created.headers["Location"], headers=ada.headers)
    assert read.json()["data"] == task
    assert read.headers["ETag"] == created.headers["ETag"] == '"1"'
