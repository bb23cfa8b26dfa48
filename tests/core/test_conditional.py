"""What the caller has is not sent again."""

import httpx
import pytest
from fastapi import FastAPI

from api_main.core.settings import Settings
from tests.limits.stage import caller, running
from tests.people import Person

TASKS = "/api/v1/tasks"
PUBLIC = ["/openapi.json", "/docs", "/redoc", "/auth/v1/.well-known/jwks.json"]


@pytest.mark.parametrize("path", PUBLIC)
async def test_public_documents_are_sent_once(client: httpx.AsyncClient, path: str) -> None:
    first = await client.get(path)
    assert first.status_code == 200
    assert first.headers["Cache-Control"].startswith("public, ")
    for known in (first.headers["ETag"], f'"other", W/{first.headers["ETag"]}', "*"):
        again = await client.get(path, headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["ETag"] == first.headers["ETag"]
        assert again.headers["Cache-Control"] == first.headers["Cache-Control"]
        assert again.headers["X-Request-ID"] != first.headers["X-Request-ID"]
        assert not {"Content-Type", "Content-Length"} & again.headers.keys()
    changed = await client.get(path, headers={"If-None-Match": '"other"'})
    assert (changed.status_code, changed.content) == (200, first.content)


async def test_a_public_document_is_made_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    made = list[str]()
    original = FastAPI.openapi

    def openapi(app: FastAPI) -> dict[str, object]:
        made.append("made")
        return original(app)

    monkeypatch.setattr(FastAPI, "openapi", openapi)
    async with running(settings) as app, caller(app) as client:
        bodies = {(await client.get("/openapi.json")).content for _ in range(3)}
    assert (len(bodies), made) == (1, ["made"])


@pytest.fixture
async def task(client: httpx.AsyncClient, ada: Person) -> str:
    made = await client.post(TASKS, json={"title": "x"}, headers=ada.headers)
    return f"{TASKS}/{made.json()['data']['id']}"


async def test_ones_own_things_are_kept_by_nobody_else_and_asked_for_each_time(
    client: httpx.AsyncClient, ada: Person, bob: Person, task: str
) -> None:
    first = await client.get(task, headers=ada.headers)
    assert first.headers["Cache-Control"] == "private, no-cache"
    assert "Authorization" in ", ".join(first.headers.get_list("Vary"))
    known = {"If-None-Match": first.headers["ETag"]}
    again = await client.get(task, headers={**ada.headers, **known})
    assert (again.status_code, again.content) == (304, b"")
    assert (await client.get(task, headers={**bob.headers, **known})).status_code == 404
    assert (await client.get(task, headers=known)).status_code == 401
    await client.patch(task, json={"title": "y"}, headers=ada.headers)
    changed = await client.get(task, headers={**ada.headers, **known})
    assert (changed.status_code, changed.json()["data"]["title"]) == (200, "y")


async def test_lists_are_not_kept_at_all(client: httpx.AsyncClient, ada: Person) -> None:
    answer = await client.get(TASKS, headers={**ada.headers, "If-None-Match": "*"})
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")


async def test_head_is_answered_like_get(client: httpx.AsyncClient) -> None:
    tag = (await client.head("/openapi.json")).headers["ETag"]
    assert (await client.head("/openapi.json", headers={"If-None-Match": tag})).status_code == 304
