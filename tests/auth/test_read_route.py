"""Hot reads take a lane of their own, and answer there as they would on the ordinary way."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from uuid import UUID

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Response

from api_main.auth.dependencies import reader_for
from api_main.auth.read_route import FastLane, ReadRoute
from api_main.auth.scopes import Scope
from api_main.core.database import RlsReader
from tests.people import Person

TASKS = "/api/v1/tasks"
SOMEBODY = "00000000-0000-4000-8000-000000000000"


def test_a_hot_read_without_a_reader_stops_the_start() -> None:
    router = APIRouter(route_class=ReadRoute)

    async def read_anything(limit: int) -> None:
        raise AssertionError(limit)

    with pytest.raises(TypeError, match="needs a reader"):
        router.get("/anything")(read_anything)


@contextmanager
def _closed_lane(app: FastAPI) -> Iterator[None]:
    """Everything goes through FastAPI's routers."""
    lane: Any = app.middleware_stack
    while not isinstance(lane, FastLane):
        lane = lane.app
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lane, "fixed", {})
        patch.setattr(lane, "patterns", [])
        yield


@pytest.fixture
def questions(ada: Person) -> list[httpx.Request]:
    paths = ["", "?limit=0", "?limit=x&sort=y", "?cursor=!", "/search", "/search?q=a", f"/{SOMEBODY}", "/nobody", "/"]
    tokens = [ada.headers, {}, {"Authorization": "Bearer forged"}, {"Authorization": "Basic YTpi"}]
    url = f"http://api.test{TASKS}"
    return [httpx.Request("GET", url + path, headers=token) for path in paths for token in tokens]


async def test_both_ways_give_the_same_answers(
    app: FastAPI, client: httpx.AsyncClient, questions: list[httpx.Request]
) -> None:
    fast = [await _answer(client, question) for question in questions]
    with _closed_lane(app):
        ordinary = [await _answer(client, question) for question in questions]
    assert fast == ordinary
    assert {status for status, _headers, _body in fast} == {200, 400, 401, 404, 422}


async def _answer(client: httpx.AsyncClient, question: httpx.Request) -> tuple[int, dict[str, str], dict[str, Any]]:
    """What does not change from one answer to the next."""
    answer = await client.send(question)
    changes = {"x-request-id", "content-length", "server-timing", "ratelimit-remaining", "ratelimit-reset"}
    headers = {name: value for name, value in answer.headers.items() if name not in changes}
    body = answer.json()
    for changing in ("request_id", "timestamp"):
        body.get("error", {}).pop(changing, None)
    return answer.status_code, headers, body


async def test_the_lane_leaves_other_routes_alone() -> None:
    """A path that only looks like a hot read's."""
    app, hot = FastAPI(), APIRouter(route_class=ReadRoute)

    @hot.get("/things/{thing_id}")
    async def read_thing(thing_id: UUID, reader: Annotated[RlsReader, reader_for(Scope.TASKS_READ)]) -> Response:
        raise AssertionError(thing_id, reader)

    @app.get("/things/export")
    async def export_things() -> str:
        return "all of them"

    app.include_router(hot)
    app.add_middleware(FastLane, routes_of=app)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test") as http:
        assert (await http.get("/things/export")).json() == "all of them"
        assert (await http.put(f"/things/{SOMEBODY}")).status_code == 405
