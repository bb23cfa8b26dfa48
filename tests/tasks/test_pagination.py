"""Cursors: every row that exists throughout is seen exactly once, in order, whatever happens between the pages."""

import json
import random
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import pytest

from tests.tasks.client import Json, TasksClient, error_of
from tests.tasks.test_lists import PRIORITIES, SORTS, order_key

DIRECTIONS = [*SORTS, *(f"-{name}" for name in SORTS)]


def any_form(chance: random.Random) -> Json:
    """Few different values, so that many rows are equal in every order but the id."""
    title = chance.choice(["a", "A", "b", "B", "é"])
    due = chance.choice([None, f"2026-12-0{chance.randint(1, 3)}T00:00:00Z"])
    return {"title": title, "priority": chance.choice(PRIORITIES), "due_at": due}


async def disturb(adas: TasksClient, chance: random.Random, doomed: list[str]) -> None:
    """Delete some rows, among them ones that pages have shown, and insert others anywhere in the order."""
    gone = [doomed.pop() for _ in range(min(len(doomed), chance.randint(0, 3)))]
    await adas.bulk(create=[any_form(chance) for _ in range(chance.randint(1, 4))], delete=gone)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("sort", DIRECTIONS)
async def test_pages_stay_right_under_inserts_and_deletes(adas: TasksClient, sort: str, seed: int) -> None:
    chance = random.Random(f"{sort}{seed}")
    tasks = await adas.add_all(*[any_form(chance) for _ in range(40)])
    chance.shuffle(tasks)
    doomed, lasting = [task["id"] for task in tasks[:12]], {task["id"] for task in tasks[12:]}
    page = await adas.page(sort=sort, limit=1)
    seen: list[Json] = page["data"]
    while (cursor := page["meta"]["next_cursor"]) is not None:
        await disturb(adas, chance, doomed)
        page = await adas.page(sort=sort, limit=chance.randint(1, 7), cursor=cursor)
        seen += page["data"]
    name = sort.removeprefix("-")
    assert seen == sorted(seen, key=lambda task: order_key(task, name), reverse=sort.startswith("-"))
    assert len({task["id"] for task in seen}) == len(seen)
    assert lasting <= {task["id"] for task in seen}


async def test_the_row_of_the_cursor_may_be_deleted(adas: TasksClient) -> None:
    tasks = await adas.add_all(*[{"title": title} for title in "abc"])
    page = await adas.page(sort="title", limit=1)
    await adas.delete(tasks[0]["id"])
    assert await adas.titles(sort="title", cursor=page["meta"]["next_cursor"]) == ["b", "c"]


async def test_the_last_page_has_no_cursor_even_when_it_is_full(adas: TasksClient) -> None:
    await adas.add_all(*[{"title": title} for title in "abcd"])
    first = await adas.page(limit=2)
    assert first["meta"]["next_cursor"] is not None
    second = await adas.page(limit=2, cursor=first["meta"]["next_cursor"])
    assert (len(second["data"]), second["meta"]["next_cursor"]) == (2, None)


@pytest.mark.parametrize("title", ["😀" * 255, "\x01" * 255, "\\" * 255, '"' * 255, "İ" * 255])
async def test_the_longest_titles_can_be_walked(adas: TasksClient, title: str) -> None:
    await adas.add_all({"title": title}, {"title": title}, {"title": title})
    assert len(await adas.walk(sort="title", limit=1)) == 3


async def test_the_cursor_of_another_leads_to_ones_own_tasks(adas: TasksClient, bobs: TasksClient) -> None:
    await adas.add_all({"title": "a"}, {"title": "b"})
    await bobs.add("bob's")
    cursor = (await adas.page(sort="title", limit=1))["meta"]["next_cursor"]
    assert await bobs.titles(sort="title", cursor=cursor) == ["bob's"]


@pytest.mark.parametrize("sort", DIRECTIONS)
async def test_a_cursor_of_another_order_is_refused(adas: TasksClient, sort: str) -> None:
    await adas.add_all({"title": "same"}, {"title": "same"})
    cursor = (await adas.page(sort=sort, limit=1))["meta"]["next_cursor"]
    for other in DIRECTIONS:
        answer = await adas.send("GET", params={"sort": other, "cursor": cursor})
        if other != sort:
            assert error_of(answer) == (400, "invalid_cursor", "cursor")
    search = await adas.send("GET", "search", params={"q": "same", "cursor": cursor})
    assert error_of(search) == (400, "invalid_cursor", "cursor")


def encode(content: Any) -> str:
    return urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


ID = "0d5b1c52-0f3c-4ee3-a6a6-3f0c1b6a5c11"
WRONG_KEYS: list[Any] = ["", "x", "99999999-01-01", "2026-02-30", "a\x00b", "\ud800", None, 1, []]
GARBAGE = [
    "", "x", "%", "é", "null", "====", "A" * 4096,
    *map(encode, [None, 1, "x", [], {}, [1, 2, 3], ["-created"], ["-created", "x", ID, 1], {"order": "-created"}]),
    *(encode(["-created", key, ID]) for key in WRONG_KEYS),
    *(encode(["-created", "2026-12-01", row]) for row in ["", "x", None, 5, ID + "0", "\x00"]),
    encode([["-created"] * 50] * 3),
    urlsafe_b64encode(b"[" * 3000).decode(),
    urlsafe_b64encode(b"9" * 3000).decode(),
    urlsafe_b64encode(b"\xff\xfe").decode(),
]  # fmt: skip


@pytest.mark.parametrize("cursor", GARBAGE)
async def test_garbage_is_no_cursor(adas: TasksClient, cursor: str) -> None:
    answer = await adas.send("GET", params={"cursor": cursor})
    assert error_of(answer) == (400, "invalid_cursor", "cursor")


@pytest.mark.parametrize(("sort", "key"), [("priority", "utmost"), ("-due", "soon"), ("updated", "1e9"), ("due", "{}")])
async def test_a_key_of_the_wrong_type_is_no_cursor(adas: TasksClient, sort: str, key: str) -> None:
    query = {"sort": sort, "cursor": encode([sort, key, ID]), "include_total": "true"}
    assert error_of(await adas.send("GET", params=query)) == (400, "invalid_cursor", "cursor")


@pytest.mark.parametrize("key", ["best", "1e999", "", "0x"])
async def test_a_rank_that_is_no_number_is_no_cursor(adas: TasksClient, key: str) -> None:
    query = {"q": "x", "cursor": encode(["rank", key, ID])}
    assert error_of(await adas.send("GET", "search", params=query)) == (400, "invalid_cursor", "cursor")


async def test_a_cursor_longer_than_any_of_ours_is_refused(adas: TasksClient) -> None:
    answer = await adas.send("GET", params={"cursor": "A" * 4097})
    assert error_of(answer) == (422, "validation_failed", "cursor")


async def test_a_tampered_cursor_is_refused_or_leads_to_ones_own_tasks(adas: TasksClient) -> None:
    await adas.add_all({"title": "a"}, {"title": "b"})
    cursor = (await adas.page(limit=1))["meta"]["next_cursor"]
    assert json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))[0] == "-created"
    for position in range(len(cursor)):
        tampered = cursor[:position] + ("A" if cursor[position] != "A" else "B") + cursor[position + 1 :]
        answer = await adas.send("GET", params={"cursor": tampered})
        assert answer.status_code in {200, 400}
