"""A token reaches what its scopes name, as its owner, and nothing besides."""

import re
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI

from tests.conftest import NewPerson
from tests.people import Person
from tests.personal_tokens.conftest import ALL_SCOPES, TASKS, TOKENS, NewToken, bearer

OPEN = {"/api/v1/auth/register", "/api/v1/auth/login", "/api/v1/auth/refresh"}
"""Routes for those who have not signed in."""


@pytest.fixture
def superuser(new_person: NewPerson) -> Person:
    """Somebody whom a route can refuse for no other reason than the token."""
    return new_person(superuser=True)


def operations(app: FastAPI) -> list[tuple[str, str, dict[str, Any]]]:
    """Every documented route of the API: method, path, description."""
    paths = app.openapi()["paths"]
    return [
        (method.upper(), path, operation)
        for path, methods in paths.items()
        for method, operation in methods.items()
        if path.startswith("/api/v1/") and path not in OPEN
    ]


def scopes_of(operation: dict[str, Any]) -> list[str]:
    [requirement] = operation["security"]
    [scopes] = requirement.values()
    return list(scopes)


async def call(client: httpx.AsyncClient, method: str, path: str, headers: dict[str, str]) -> httpx.Response:
    concrete = re.sub(r"{\w+}", str(uuid4()), path)
    return await client.request(method, concrete, headers=headers, json={})


async def test_every_route_names_its_scopes_or_refuses_every_token(
    app: FastAPI, client: httpx.AsyncClient, superuser: Person, new_token: NewToken
) -> None:
    everything = await new_token(superuser)
    named = set()
    for method, path, operation in operations(app):
        answer = await call(client, method, path, bearer(everything))
        needed = scopes_of(operation)
        named |= set(needed)
        if needed:
            assert answer.status_code not in {401, 403}, (method, path)
        else:
            assert answer.status_code == 403, (method, path)
            assert answer.json()["error"]["code"] == "insufficient_scope"
            assert answer.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope", scope=""'
    assert named == set(ALL_SCOPES)


@pytest.mark.parametrize("scope", ALL_SCOPES)
async def test_a_route_that_names_a_scope_refuses_all_others(
    app: FastAPI, client: httpx.AsyncClient, superuser: Person, new_token: NewToken, scope: str
) -> None:
    token = await new_token(superuser, [scope])
    for method, path, operation in operations(app):
        needed = scopes_of(operation)
        answer = await call(client, method, path, bearer(token))
        is_enough = bool(needed) and set(needed) <= {scope}
        assert (answer.status_code == 403) is not is_enough, (method, path)
        if not is_enough:
            error = answer.json()["error"]
            assert (error["code"], error["details"]) == ("insufficient_scope", {"needed": needed})


async def test_a_route_that_only_reads_needs_no_more_than_to_read(app: FastAPI) -> None:
    for method, path, operation in operations(app):
        if path.startswith(TASKS):
            assert "tasks:write" in scopes_of(operation) or method == "GET" or path.endswith("/search"), path
            assert method != "GET" or scopes_of(operation) == ["tasks:read"], path


async def test_a_token_gives_the_owners_rows_and_no_others(
    client: httpx.AsyncClient, ada: Person, bob: Person, new_token: NewToken
) -> None:
    token = bearer(await new_token(ada))
    created = await client.post(TASKS, json={"title": "By a program"}, headers=token)
    assert created.status_code == 201
    task = created.json()["data"]
    mine = (await client.get(TASKS, headers=ada.headers)).json()["data"]
    assert [row["id"] for row in mine] == [task["id"]]
    others = bearer(await new_token(bob))
    assert (await client.get(TASKS, headers=others)).json()["data"] == []
    assert (await client.get(f"{TASKS}/{task['id']}", headers=others)).status_code == 404


async def test_a_token_cannot_make_another_or_change_the_account(
    client: httpx.AsyncClient, ada: Person, new_token: NewToken
) -> None:
    token = bearer(await new_token(ada))
    form = {"name": "more", "scopes": ALL_SCOPES}
    assert (await client.post(TOKENS, json=form, headers=token)).status_code == 403
    assert (await client.get("/api/v1/auth/me", headers=token)).status_code == 403
    assert (await client.get("/auth/v1/user", headers=token)).status_code == 403
    assert (await client.get("/auth/v1/admin/users", headers=token)).status_code == 403


async def test_a_session_needs_no_scopes(client: httpx.AsyncClient, ada: Person) -> None:
    assert (await client.get(TASKS, headers=ada.headers)).status_code == 200
    assert (await client.post(TASKS, json={"title": "By hand"}, headers=ada.headers)).status_code == 201
