"""The list: which tasks, in which order."""

import itertools
from typing import Any

import pytest

from tests.tasks.client import Json, TasksClient

STATUSES = ["pending", "in_progress", "completed", "cancelled"]
PRIORITIES = ["low", "medium", "high", "urgent"]
SORTS = ["created", "updated", "due", "priority", "title"]
NOON = "2026-12-01T12:00:00+00:00"


def order_key(task: Json, name: str) -> tuple[Any, str]:
    """What the API promises to compare: the key of the order, then the id."""
    key: Any = task[f"{name}_at"] if f"{name}_at" in task else task[name]
    if name == "due":
        key = (key is None, key or "")  # without a due date is due last
    elif name == "priority":
        key = PRIORITIES.index(key)
    elif name == "title":
        key = key.lower()
    return key, task["id"]


@pytest.fixture
async def shelf(adas: TasksClient) -> TasksClient:
    """Tasks with many equal keys, in no order: titles that differ in case alone, tasks made at one moment."""
    titles = ["banana", "Banana", "apple", "Zebra", "zebra", "É", "é", "", "100", "_"]
    dues = [None, NOON, "2026-12-01T13:00:00+02:00", "2026-12-01T12:00:00.000001Z", None, "0001-01-01T00:00:00Z"]
    choices = zip(itertools.cycle(titles), itertools.cycle(dues), itertools.cycle(PRIORITIES), range(25), strict=False)
    forms = [{"title": title or "x", "due_at": due, "priority": priority} for title, due, priority, _ in choices]
    await adas.add_all(*forms[:15])
    later = await adas.add_all(*forms[15:])
    for task in later[::3]:
        await adas.patch(task["id"], {"status": "completed"})
    return adas


@pytest.mark.parametrize("limit", [4, 50])
@pytest.mark.parametrize("name", SORTS)
async def test_every_order_is_right_in_both_directions(shelf: TasksClient, name: str, limit: int) -> None:
    ascending = await shelf.walk(sort=name, limit=limit)
    descending = await shelf.walk(sort=f"-{name}", limit=limit)
    assert len(ascending) == 25
    assert ascending == sorted(ascending, key=lambda task: order_key(task, name))
    assert descending == ascending[::-1]


async def test_the_newest_come_first_by_default(shelf: TasksClient) -> None:
    assert await shelf.walk() == await shelf.walk(sort="-created")


async def test_the_default_page_has_50_tasks_and_the_largest_100(adas: TasksClient) -> None:
    await adas.add_all(*[{"title": f"Task {number}"} for number in range(101)])
    page = await adas.page()
    assert (len(page["data"]), page["meta"]["limit"]) == (50, 50)
    largest = await adas.page(limit=100, include_total=True)
    assert (len(largest["data"]), largest["meta"]["total"]) == (100, 101)


async def test_the_total_is_counted_only_on_request_and_regards_filters(adas: TasksClient) -> None:
    await adas.add_all(*[{"title": "x", "status": status} for status in STATUSES * 2])
    assert (await adas.page())["meta"] == {"limit": 50, "total": None, "next_cursor": None}
    page = await adas.page(limit=1, include_total=True, status=["pending", "completed"])
    assert page["meta"]["total"] == 4
    second = await adas.page(
        limit=1, include_total=True, status=["pending", "completed"], cursor=page["meta"]["next_cursor"]
    )
    assert second["meta"]["total"] == 4


async def test_an_empty_list_is_a_page_like_any_other(adas: TasksClient) -> None:
    assert await adas.page(include_total=True) == {
        "success": True,
        "data": [],
        "message": None,
        "meta": {"limit": 50, "total": 0, "next_cursor": None},
    }


@pytest.fixture
async def mixture(adas: TasksClient) -> list[Json]:
    """Every status with every priority, each without a due date and on three days."""
    dues = [None, "2026-11-30T00:00:00Z", NOON, "2026-12-02T00:00:00Z"]
    combinations = itertools.product(STATUSES, PRIORITIES, dues)
    forms = [
        {"title": f"{status} {priority}", "status": status, "priority": priority, "due_at": due}
        for status, priority, due in combinations
    ]
    return await adas.add_all(*forms)


FILTERS: list[tuple[dict[str, Any], Any]] = [
    ({"status": ["pending"]}, lambda task: task["status"] == "pending"),
    ({"status": ["pending", "cancelled"]}, lambda task: task["status"] in {"pending", "cancelled"}),
    ({"priority": ["urgent", "low"]}, lambda task: task["priority"] in {"urgent", "low"}),
    ({"due_before": NOON}, lambda task: task["due_at"] is not None and task["due_at"] < NOON),
    ({"due_after": NOON}, lambda task: task["due_at"] is not None and task["due_at"] >= NOON),
    ({"due_after": "2026-12-01T13:00:00+01:00"}, lambda task: task["due_at"] is not None and task["due_at"] >= NOON),
    ({"q": "prog"}, lambda task: task["status"] == "in_progress"),
]


@pytest.mark.parametrize("chosen", [*itertools.combinations(FILTERS, 1), *itertools.combinations(FILTERS, 2), FILTERS])
async def test_filters_hold_alone_and_together(
    adas: TasksClient, mixture: list[Json], chosen: tuple[tuple[dict[str, Any], Any], ...]
) -> None:
    query = {name: value for parameters, _ in chosen for name, value in parameters.items()}
    holds = [test for parameters, test in chosen if all(query[name] == value for name, value in parameters.items())]
    wanted = {task["id"] for task in mixture if all(test(task) for test in holds)}
    found = await adas.walk(limit=100, **query)
    assert {task["id"] for task in found} == wanted
    assert len(found) == len(wanted)
    assert (await adas.page(include_total=True, **query))["meta"]["total"] == len(wanted)
