"""Search by words, by meaning, and by both: what is found, in which order, on which page, while the model sleeps."""

import asyncio
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from api_main.core.pagination import Cursor
from api_main.tasks.search import query_vectors
from tests.gpu.stand_in import StandIn
from tests.patience import eventually
from tests.rls.serving import Service
from tests.search.conftest import Embedded
from tests.tasks.client import TasksClient, error_of


@pytest.fixture
async def garage(adas: TasksClient, bobs: TasksClient, embedded: Embedded) -> TasksClient:
    await adas.add_all(
        {"title": "Wash the car"},
        {"title": "Sell the vehicle", "status": "completed"},
        {"title": "Pay the invoice", "due_at": "2026-12-01T00:00:00Z"},
        {"title": "Carry water"},
    )
    await bobs.add("Repair the automobile")
    await embedded()
    return adas


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is no model that sleeps."""
    monkeypatch.setattr(query_vectors, "PATIENCE_SECONDS", 20.0)


async def warm(searcher: TasksClient) -> None:
    """The first search by meaning has been answered."""
    await searcher.page("search", q="anything", mode="semantic")


def fall_asleep(service: Service, gpu: StandIn) -> None:
    """After a long time in which nobody asked for anything."""
    gpu.mood.asleep = True
    service.app.state.gpu._wake_up.lost()


def titles(page: dict[str, Any]) -> list[str]:
    return [task["title"] for task in page["data"]]


# What is found


async def test_words_find_beginnings_and_meaning_finds_synonyms(garage: TasksClient) -> None:
    await warm(garage)
    text = await garage.page("search", q="car", mode="text")
    assert (set(titles(text)), text["meta"]["meaning"]) == ({"Wash the car", "Carry water"}, "left_out")
    semantic = await garage.page("search", q="car", mode="semantic", limit=2)
    assert (set(titles(semantic)), semantic["meta"]["meaning"]) == ({"Wash the car", "Sell the vehicle"}, "included")
    hybrid = await garage.page("search", q="car")
    assert set(titles(hybrid)) == {"Wash the car", "Carry water", "Sell the vehicle"}
    assert (titles(hybrid)[0], hybrid["meta"]["meaning"]) == ("Wash the car", "included")  # found in both ways


async def test_a_match_is_a_task_with_rank_and_highlights(garage: TasksClient) -> None:
    await warm(garage)
    best = (await garage.page("search", q="car"))["data"][0]
    assert best["highlights"] == {"title": "Wash the <mark>car</mark>", "description": None}
    by_meaning = (await garage.page("search", q="automobile"))["data"][0]
    assert "<mark>" not in by_meaning["highlights"]["title"]
    ranks = [task["rank"] for task in (await garage.page("search", q="car"))["data"]]
    assert ranks == sorted(ranks, reverse=True)


@pytest.mark.parametrize("mode", ["hybrid", "semantic"])
async def test_filters_hold_in_every_mode(garage: TasksClient, mode: str) -> None:
    await warm(garage)
    assert await garage.titles("search", q="car", mode=mode, status="completed") == ["Sell the vehicle"]
    assert await garage.titles("search", q="bill", mode=mode, due_after="2026-11-01T00:00:00Z") == ["Pay the invoice"]
    assert await garage.titles("search", q="car", mode=mode, priority="urgent") == []


async def test_nobody_finds_what_is_another_persons(garage: TasksClient, bobs: TasksClient) -> None:
    for mode in ("hybrid", "semantic"):
        assert await bobs.titles("search", q="car", mode=mode) == ["Repair the automobile"]
        assert "Repair the automobile" not in await garage.titles("search", q="automobile", mode=mode)


async def test_what_has_nothing_to_do_with_it_is_not_found(garage: TasksClient) -> None:
    await warm(garage)
    assert await garage.titles("search", q="philosophy") == []


async def test_vectors_of_another_model_are_not_compared(
    garage: TasksClient, admin: psycopg.Connection[Any], embedded: Embedded
) -> None:
    await warm(garage)
    admin.execute("update public.task_embeddings set model_version = '0' where owner_id = %s", (garage.person.id,))
    assert await garage.titles("search", q="automobile") == []
    assert await garage.titles("search", q="automobile", mode="semantic") == []
    assert set(await garage.titles("search", q="car")) == {"Wash the car", "Carry water"}


# Pages


@pytest.mark.parametrize("mode", ["hybrid", "semantic"])
async def test_pages_show_every_match_once_though_tasks_are_added(
    adas: TasksClient, embedded: Embedded, mode: str
) -> None:
    await adas.add_all(*({"title": f"car number {number} {'and more ' * (number % 3)}"} for number in range(25)))
    await embedded()
    await warm(adas)
    whole = [task["id"] for task in (await adas.page("search", q="car", mode=mode, limit=100))["data"]]
    found, cursor = [], None
    while True:
        page = await adas.page("search", q="car", mode=mode, limit=7, **({"cursor": cursor} if cursor else {}))
        found += [task["id"] for task in page["data"]]
        cursor = page["meta"]["next_cursor"]
        if cursor is None:
            break
        await adas.add("car")  # the best match of all
        await embedded()
    assert found == whole
    assert len(found) == 25


async def test_a_search_that_began_without_meaning_goes_on_without(
    service: Service, adas: TasksClient, gpu: StandIn, embedded: Embedded
) -> None:
    await adas.add_all(*({"title": f"car {number}"} for number in range(5)))
    await embedded()
    fall_asleep(service, gpu)
    page = await _first_page_while_asleep(adas)
    cursor = page["meta"]["next_cursor"]
    gpu.finish_starting()
    await _until_included(adas)
    second = await adas.page("search", q="car", limit=3, cursor=cursor)
    assert second["meta"]["meaning"] == "left_out"
    found = [task["id"] for task in page["data"] + second["data"]]
    assert len(found) == len(set(found)) == 5


@pytest.mark.parametrize(
    ("mode", "order"), [("text", "hybrid"), ("semantic", "rank"), ("semantic", "hybrid"), ("hybrid", "semantic")]
)
async def test_a_cursor_of_another_mode_is_refused(adas: TasksClient, mode: str, order: str) -> None:
    cursor = Cursor.write(order, "0.5 2026-01-01", str(uuid4()))
    answer = await adas.send("GET", "search", params={"q": "car", "mode": mode, "cursor": cursor})
    assert error_of(answer) == (400, "invalid_cursor", "cursor")


@pytest.mark.parametrize("key", ["", "x", "0.5", "0.5 x", "x 2026-01-01", "0.5 2026-01-01 x", "nan nan"])
async def test_a_cursor_with_a_key_that_is_not_ours_is_refused(adas: TasksClient, key: str) -> None:
    cursor = Cursor.write("semantic", key, str(uuid4()))
    answer = await adas.send("GET", "search", params={"q": "car", "mode": "semantic", "cursor": cursor})
    assert error_of(answer) == (400, "invalid_cursor", "cursor")


# While the model sleeps, or is away


async def test_while_the_model_sleeps_words_answer_at_once_and_it_is_woken(
    service: Service, adas: TasksClient, gpu: StandIn, embedded: Embedded
) -> None:
    await adas.add_all({"title": "Wash the car"}, {"title": "Sell the vehicle"})
    await embedded()
    fall_asleep(service, gpu)
    page = await _first_page_while_asleep(adas)
    assert titles(page) == ["Wash the car"]
    gpu.finish_starting()
    await _until_included(adas)
    assert set(await adas.titles("search", q="car")) == {"Wash the car", "Sell the vehicle"}


async def test_many_searches_wake_it_once(service: Service, adas: TasksClient, gpu: StandIn) -> None:
    gpu.mood.asleep = True
    pages = await asyncio.gather(*(adas.page("search", q=f"car {number}") for number in range(20)))
    assert {page["meta"]["meaning"] for page in pages} == {"warming_up"}
    gpu.finish_starting()
    await eventually(lambda: service.app.state.gpu.is_awake)
    assert gpu.starts == 1


async def test_a_search_by_meaning_waits_for_the_model(adas: TasksClient, gpu: StandIn) -> None:
    gpu.mood.asleep = True
    searching = asyncio.create_task(adas.page("search", q="car", mode="semantic"))
    await eventually(lambda: bool(gpu.seen))
    gpu.finish_starting()
    assert (await searching)["meta"]["meaning"] == "included"


async def test_a_search_by_meaning_waits_no_longer_than_its_deadline(
    service: Service, adas: TasksClient, gpu: StandIn
) -> None:
    gpu.mood.asleep = True
    service.app.state.gpu._timeout = 0.2
    answer = await adas.send("GET", "search", params={"q": "car", "mode": "semantic"})
    assert error_of(answer) == (503, "gpu_unavailable", None)
    assert int(answer.headers["Retry-After"]) >= 1


async def test_a_model_that_is_awake_but_slow_is_not_waited_for(
    adas: TasksClient, gpu: StandIn, embedded: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query_vectors, "PATIENCE_SECONDS", 0.2)
    await adas.add("Wash the car")
    await embedded()
    await warm(adas)
    gpu.mood.seconds = 30
    monkeypatch.setattr(query_vectors, "PATIENCE_SECONDS", 0.1)
    page = await adas.page("search", q="car")
    assert (titles(page), page["meta"]["meaning"]) == (["Wash the car"], "warming_up")


async def test_where_api_gpu_cannot_start_words_go_on_alone(service: Service, adas: TasksClient, gpu: StandIn) -> None:
    await warm(adas)
    gpu.mood.cannot_start, gpu.mood.retry_after = True, "20"
    service.app.state.gpu._wake_up.lost()
    await adas.add("Wash the car")
    await eventually(lambda: service.app.state.gpu.is_left_alone)
    page = await adas.page("search", q="car")
    assert (titles(page), page["meta"]["meaning"]) == (["Wash the car"], "unavailable")
    asked = len(gpu.seen)
    answer = await adas.send("GET", "search", params={"q": "car", "mode": "semantic"})
    assert (answer.status_code, len(gpu.seen)) == (503, asked)


async def test_without_api_gpu_words_are_all_there_is(client: Any, ada: Any) -> None:
    adas = TasksClient(client, ada)
    await adas.add("Wash the car")
    page = await adas.page("search", q="car")
    assert (titles(page), page["meta"]["meaning"]) == (["Wash the car"], "unavailable")
    assert error_of(await adas.send("GET", "search?q=car&mode=semantic"))[:2] == (503, "meaning_unavailable")
    similar = await adas.page(f"{page['data'][0]['id']}/similar")
    assert (similar["data"], similar["meta"]["meaning"]) == ([], "pending")


async def test_the_same_search_asks_the_model_once(adas: TasksClient, gpu: StandIn) -> None:
    await warm(adas)
    gpu.embedded.clear()
    for _ in range(3):
        await adas.page("search", q="car", mode="semantic")
    await asyncio.gather(*(adas.page("search", q="bus", mode="semantic") for _ in range(5)))
    assert gpu.embedded == ["car", "bus"]


# Similar tasks


async def test_similar_tasks_are_those_nearest_in_meaning(garage: TasksClient) -> None:
    first = (await garage.page("search", q="wash", mode="text"))["data"][0]
    page = await garage.page(f"{first['id']}/similar")
    assert titles(page)[0] == "Sell the vehicle"
    assert page["meta"]["meaning"] == "included"
    similarities = [task["similarity"] for task in page["data"]]
    assert similarities == sorted(similarities, reverse=True)
    near = await garage.page(f"{first['id']}/similar", min_similarity=similarities[0], limit=5)
    assert titles(near) == ["Sell the vehicle"]
    assert await garage.titles(f"{first['id']}/similar", status="pending", min_similarity=0.5) == []


async def test_a_task_that_is_not_embedded_yet_says_so(adas: TasksClient, gpu: StandIn) -> None:
    gpu.mood.asleep = True
    task = await adas.add("Wash the car")
    page = await adas.page(f"{task['id']}/similar")
    assert (page["data"], page["meta"]["meaning"]) == ([], "pending")


async def test_another_persons_task_is_similar_to_nothing(garage: TasksClient, bobs: TasksClient) -> None:
    task = (await garage.page("search", q="wash", mode="text"))["data"][0]
    for path in (task["id"], uuid4()):
        assert error_of(await bobs.send("GET", f"{path}/similar"))[:2] == (404, "task_not_found")
    assert (await bobs.send("GET", "no-id/similar")).status_code == 422


async def _first_page_while_asleep(searcher: TasksClient) -> dict[str, Any]:
    page = await searcher.page("search", q="car", limit=3)
    assert page["meta"]["meaning"] == "warming_up"
    return page


async def _until_included(searcher: TasksClient) -> None:
    async def is_included() -> bool:
        meaning: str = (await searcher.page("search", q="car"))["meta"]["meaning"]
        return meaning == "included"

    await eventually(is_included)
