"""The caller's own profile: what they may change, and what they may not."""

from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from api_main.auth.principal import Principal
from api_main.auth.tags import profile_of
from api_main.core.settings import Settings
from tests.auth.calls import AUTH, assert_refused, bearer, read_me
from tests.people import Person, claims, sign

ME = f"{AUTH}/me"


REFUSED: dict[str, list[Any]] = {
    "username": ["ab", "a" * 31, "Ada", "a b", "ada\n", "ad\u00e4", "", "ada;--", 7, []],
    "full_name": ["", "x" * 256, "a\x00b", 7, {}],
    "locale": ["", "e", "english", "en_US", "en-", "en-" + "a" * 40, "EN", "en\n", 7],
    "email": ["other@example.com"],
    "id": ["00000000-0000-4000-8000-000000000000"],
    "avatar_url": ["https://example.com/ada.png"],
    "is_superuser": [True],
    "is_active": [True],
    "role": ["service_role"],
    "created_at": ["2026-01-01T00:00:00Z"],
    "updated_at": ["2026-01-01T00:00:00Z"],
}


async def change(client: httpx.AsyncClient, person: Person, **changes: Any) -> httpx.Response:
    return await client.patch(ME, json=changes, headers=person.headers)


def new_username() -> str:
    return f"u_{uuid4().hex[:20]}"


async def test_everybody_reads_themselves(client: httpx.AsyncClient, ada: Person, bob: Person) -> None:
    for person in (ada, bob):
        profile = (await read_me(client, person.token)).json()["data"]
        assert (profile["id"], profile["email"]) == (str(person.id), person.email)


async def test_what_is_named_changes_and_the_rest_stays(client: httpx.AsyncClient, ada: Person, bob: Person) -> None:
    username = new_username()
    before = (await read_me(client, bob.token)).json()
    first = (await change(client, ada, username=username, locale="pt-BR")).json()["data"]
    second = (await change(client, ada, full_name="Ada Lovelace")).json()["data"]
    assert (second["username"], second["locale"], second["full_name"]) == (username, "pt-BR", "Ada Lovelace")
    assert second["updated_at"] > first["updated_at"] > first["created_at"]
    assert (await read_me(client, ada.token)).json()["data"] == second
    assert (await read_me(client, bob.token)).json() == before


async def test_an_empty_change_changes_nothing(client: httpx.AsyncClient, ada: Person) -> None:
    before = (await read_me(client, ada.token)).json()["data"]
    response = await change(client, ada)
    assert response.status_code == 200
    assert response.json()["data"] == before


async def test_names_can_be_taken_back(client: httpx.AsyncClient, ada: Person) -> None:
    await change(client, ada, username=new_username(), full_name="Ada")
    profile = (await change(client, ada, username=None, full_name=None)).json()["data"]
    assert (profile["username"], profile["full_name"]) == (None, None)


@pytest.mark.parametrize(
    ("field", "value"), [(name, value) for name, values in REFUSED.items() for value in values], ids=ascii
)
async def test_an_invalid_or_foreign_field_is_refused(
    client: httpx.AsyncClient, ada: Person, field: str, value: Any
) -> None:
    before = (await read_me(client, ada.token)).json()["data"]
    response = await client.patch(ME, json={"full_name": "Changed", field: value}, headers=ada.headers)
    assert_refused(response, 422, "validation_failed", field)
    assert (await read_me(client, ada.token)).json()["data"] == before


@pytest.mark.parametrize("body", ["null", "[]", "7", '"text"'])
async def test_a_body_that_is_no_object_is_refused(client: httpx.AsyncClient, ada: Person, body: str) -> None:
    headers = {**ada.headers, "Content-Type": "application/json"}
    assert_refused(await client.patch(ME, content=body, headers=headers), 422, "validation_failed")


async def test_a_username_is_one_persons(client: httpx.AsyncClient, ada: Person, bob: Person) -> None:
    username = new_username()
    assert (await change(client, ada, username=username)).status_code == 200
    assert (await change(client, ada, username=username)).status_code == 200
    refused = await change(client, bob, username=username, full_name="Bob")
    assert_refused(refused, 409, "username_taken", "username")
    assert str(ada.id) not in refused.text
    assert (await read_me(client, bob.token)).json()["data"]["full_name"] is None


async def test_another_broken_constraint_is_not_said_to_be_the_username(
    client: httpx.AsyncClient, admin: psycopg.Connection[Any], ada: Person
) -> None:
    admin.execute("alter table public.profiles add constraint no_nobodies check (full_name <> 'Nobody')")
    try:
        assert_refused(await change(client, ada, full_name="Nobody"), 422, "validation_failed")
    finally:
        admin.execute("alter table public.profiles drop constraint no_nobodies")


async def test_a_profile_is_for_live_callers(client: httpx.AsyncClient, settings: Settings, ada: Person) -> None:
    token = sign(settings, claims(settings, ada.id))
    assert_refused(await client.get(ME), 401, "unauthenticated")
    assert_refused(await client.patch(ME, json={"full_name": "Eve"}), 401, "unauthenticated")
    assert_refused(await client.patch(ME, json={"full_name": "Eve"}, headers=bearer(token)), 401, "session_ended")
    assert (await read_me(client, ada.token)).json()["data"]["full_name"] is None


async def test_a_profile_that_vanishes_meanwhile_is_not_found(
    app: FastAPI,
    client: httpx.AsyncClient,
    admin: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
    ada: Person,
) -> None:
    async def believe(_: Principal) -> None:
        """In place of the look that would find that the account has gone, too."""

    monkeypatch.setattr(app.state.revocations, "check_now", believe)
    assert (await read_me(client, ada.token)).status_code == 200
    await app.state.revocations.check(await app.state.verifier.verify(ada.token))  # believed for a while
    admin.execute("delete from public.profiles where id = %s", (ada.id,))
    await app.state.cache.invalidate(profile_of(ada.id))
    assert_refused(await read_me(client, ada.token), 404, "not_found")
    assert_refused(await change(client, ada, full_name="Ada"), 404, "not_found")
