"""The API on a Supabase project: its tokens open tasks under Row Level Security, and `/auth/v1` is its own affair."""

from typing import Any
from uuid import uuid4

import httpx
import pytest
import respx
from pydantic import ValidationError

from api_main.auth.generate import generate_signing_key
from api_main.core.settings import Settings
from tests.conftest import NewPerson
from tests.people import Person
from tests.supabase_mode import project
from tests.supabase_mode.calls import TASKS, error_of, login
from tests.supabase_mode.conftest import Serve, in_project

PROTOCOL = ["/signup", "/token?grant_type=password", "/user", "/logout", "/settings", "/health", "/admin/users"]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def titles(api: httpx.AsyncClient, person: Person) -> list[str]:
    answer = await api.get(TASKS, headers=person.headers)
    assert answer.status_code == 200, answer.text
    return [task["title"] for task in answer.json()["data"]]


async def test_tokens_of_the_project_open_the_tasks_of_their_owner_alone(
    api: httpx.AsyncClient, supabase: respx.MockRouter, ada: Person, bob: Person
) -> None:
    created = await api.post(TASKS, json={"title": "Ada's"}, headers=ada.headers)
    assert created.status_code == 201
    assert (await titles(api, ada), await titles(api, bob)) == (["Ada's"], [])
    assert (await api.get(created.headers["Location"], headers=bob.headers)).status_code == 404


async def test_whoever_signs_in_through_us_goes_on_to_their_tasks(
    api: httpx.AsyncClient, supabase: respx.MockRouter, ada: Person
) -> None:
    theirs = project.session(ada.token, id=str(ada.id), email=ada.email)
    supabase.post("/token").respond(json=theirs)
    token = (await login(api, ada.email)).json()["data"]["access_token"]
    assert (await api.get(TASKS, headers=bearer(token))).status_code == 200


@pytest.mark.parametrize("wrong", [{"aud": "elsewhere"}, {"iss": "https://other.supabase.test/auth/v1"}, {"exp": 1}])
async def test_a_token_of_somebody_else_opens_nothing(
    api: httpx.AsyncClient, ada: Person, wrong: dict[str, Any]
) -> None:
    token = project.token(ada.id, ada.session, **wrong)
    assert (await api.get(TASKS, headers=bearer(token))).status_code == 401


async def test_a_key_that_the_project_does_not_publish_opens_nothing(api: httpx.AsyncClient, ada: Person) -> None:
    forged = project.token(ada.id, ada.session, key=generate_signing_key())
    assert error_of(await api.get(TASKS, headers=bearer(forged))) == (401, "invalid_token")


@pytest.mark.parametrize("key", ["sb_publishable_of-the-test", "sb_secret_of-the-test"])
async def test_an_api_key_is_nobody(api: httpx.AsyncClient, key: str) -> None:
    assert error_of(await api.get(TASKS, headers=bearer(key))) == (401, "invalid_token")


@pytest.mark.parametrize("path", PROTOCOL)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_protocol_is_not_served(api: httpx.AsyncClient, method: str, path: str) -> None:
    assert (await api.request(method, f"/auth/v1{path}", json={})).status_code == 404


async def test_keys_are_published_only_where_there_are_any(
    api: httpx.AsyncClient, serve: Serve, settings: Settings
) -> None:
    path = "/auth/v1/.well-known/jwks.json"
    assert (await api.get(path)).status_code == 404
    async with serve(jwt_signing_keys=settings.signing_keys) as hybrid:
        assert [key["kty"] for key in (await hybrid.get(path)).json()["keys"]] == ["EC"]


async def test_our_own_tokens_are_accepted_beside_the_projects(
    serve: Serve, supabase: respx.MockRouter, settings: Settings, new_person: NewPerson
) -> None:
    person = new_person()
    async with serve(jwt_signing_keys=settings.signing_keys) as hybrid:
        for token in (person.token, in_project(person).token):
            assert (await hybrid.get(TASKS, headers=bearer(token))).status_code == 200


def make(**values: Any) -> Settings:
    return Settings(_env_file=None, database_url="postgresql://localhost/postgres", supabase_url=project.URL, **values)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "SUPABASE_PUBLISHABLE_KEY"),
        ({"supabase_secret_key": "sb_secret_x"}, "SUPABASE_PUBLISHABLE_KEY"),
        ({"supabase_publishable_key": "sb_secret_x"}, "SUPABASE_SECRET_KEY"),
        ({"supabase_publishable_key": "two words"}, "pattern"),
        ({"supabase_anon_key": "line\nbreak"}, "pattern"),
        ({"supabase_publishable_key": ""}, "pattern"),
    ],
)
def test_a_missing_or_wrong_key_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, str], said: str
) -> None:
    for name in ("SUPABASE_PUBLISHABLE_KEY", "SUPABASE_ANON_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValidationError, match=said):
        make(**values)


def test_no_secret_key_is_shown() -> None:
    secret = uuid4().hex
    shown = repr(make(supabase_anon_key="a", supabase_secret_key=secret, supabase_service_role_key=secret))
    assert secret not in shown
