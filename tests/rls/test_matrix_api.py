"""Caller by route by verb, through the API: what each caller is answered about Ada's rows."""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from api_main.core.settings import Settings
from tests.conftest import NewPerson
from tests.people import Person, claims, sign

TASKS = "/api/v1/tasks"
ME = "/api/v1/auth/me"
FORM = {"title": "changed"}

Request = tuple[str, str, Any]

# What is asked about Ada's task (its id is given), and what ada, bob, a superuser, and anybody without a token
# or with a token for another role are answered.
REQUESTS: dict[str, tuple[Callable[[UUID], Request], tuple[int, int, int, int]]] = {
    #                                                                        ada  bob super none
    "read it": (lambda task: ("GET", f"{TASKS}/{task}", None), (200, 404, 404, 401)),
    "replace it": (lambda task: ("PUT", f"{TASKS}/{task}", FORM), (200, 404, 404, 401)),
    "change it": (lambda task: ("PATCH", f"{TASKS}/{task}", FORM), (200, 404, 404, 401)),
    "change nothing": (lambda task: ("PATCH", f"{TASKS}/{task}", {}), (200, 404, 404, 401)),
    "delete it": (lambda task: ("DELETE", f"{TASKS}/{task}", None), (204, 404, 404, 401)),
    "change it in bulk": (
        lambda task: ("POST", f"{TASKS}/bulk", {"update": [FORM | {"id": str(task)}]}),
        (200, 404, 404, 401),
    ),
    "delete it in bulk": (lambda task: ("POST", f"{TASKS}/bulk", {"delete": [str(task)]}), (200, 404, 404, 401)),
    "create one": (lambda _: ("POST", TASKS, FORM), (201, 201, 201, 401)),
    "create another's": (lambda task: ("POST", TASKS, FORM | {"owner_id": str(task)}), (422, 422, 422, 401)),
    "give it away": (lambda task: ("PATCH", f"{TASKS}/{task}", {"owner_id": str(task)}), (422, 422, 422, 401)),
    "list": (lambda _: ("GET", f"{TASKS}?include_total=true", None), (200, 200, 200, 401)),
    "search": (lambda _: ("GET", f"{TASKS}/search?q=secret", None), (200, 200, 200, 401)),
    "find by meaning": (lambda _: ("GET", f"{TASKS}/search?q=secret&mode=semantic", None), (503, 503, 503, 401)),
    "find similar ones": (lambda task: ("GET", f"{TASKS}/{task}/similar", None), (200, 404, 404, 401)),
    "read me": (lambda _: ("GET", ME, None), (200, 200, 200, 401)),
    "promote me": (lambda _: ("PATCH", ME, {"is_superuser": True}), (422, 422, 422, 401)),
}
CALLERS = ("ada", "bob", "superuser", "nobody")
FOREIGN_ROLES = ("anon", "service_role", "auth_admin", "api_main", "postgres", "none", "", 'authenticated"')


@pytest.fixture
def superuser(new_person: NewPerson) -> Person:
    return new_person(superuser=True)


@pytest.fixture
async def callers(ada: Person, bob: Person, superuser: Person) -> Mapping[str, dict[str, str]]:
    """The headers of each caller."""
    return {"ada": ada.headers, "bob": bob.headers, "superuser": superuser.headers, "nobody": {}}


@pytest.fixture
async def task(ada: Person, admin: psycopg.Connection[Any]) -> AsyncIterator[UUID]:
    """A task of Ada's, which must be as it was when anybody else has asked for it."""
    task = uuid4()
    admin.execute("insert into public.tasks (id, owner_id, title) values (%s, %s, 'secret')", (task, ada.id))
    yield task
    admin.execute("delete from public.tasks where id = %s", (task,))


def _cells() -> list[tuple[str, str, int]]:
    return [
        (wanted, caller, status)
        for wanted, (_build, statuses) in REQUESTS.items()
        for caller, status in zip(CALLERS, statuses, strict=True)
    ]


@pytest.mark.parametrize("cell", _cells(), ids=str)
async def test_a_caller_is_answered_as_the_matrix_says(
    client: httpx.AsyncClient,
    admin: psycopg.Connection[Any],
    callers: Mapping[str, dict[str, str]],
    task: UUID,
    cell: tuple[str, str, int],
) -> None:
    wanted, caller, status = cell
    method, path, body = REQUESTS[wanted][0](task)
    before = _row(admin, task)
    answer = await client.request(method, path, json=body, headers=callers[caller])
    assert answer.status_code == status, answer.text
    if caller != "ada":
        assert _row(admin, task) == before
        assert "secret" not in answer.text


@pytest.mark.parametrize("caller", CALLERS[:3])
async def test_whatever_a_caller_is_shown_is_their_own(
    client: httpx.AsyncClient, callers: Mapping[str, dict[str, str]], task: UUID, caller: str
) -> None:
    own = (await client.get(ME, headers=callers[caller])).json()["data"]["id"]
    made = (await client.post(TASKS, json={"title": "secret"}, headers=callers[caller])).json()["data"]
    listed = (await client.get(f"{TASKS}?include_total=true", headers=callers[caller])).json()
    found = (await client.get(f"{TASKS}/search?q=secret", headers=callers[caller])).json()
    expected = {str(task), made["id"]} if caller == "ada" else {made["id"]}
    assert {shown["owner_id"] for shown in (made, *listed["data"], *found["data"])} == {own}
    assert {shown["id"] for shown in listed["data"]} == {shown["id"] for shown in found["data"]} == expected
    assert listed["meta"]["total"] == len(expected)


@pytest.mark.parametrize("role", FOREIGN_ROLES)
async def test_a_well_signed_token_for_another_role_is_refused(
    client: httpx.AsyncClient, settings: Settings, ada: Person, role: str
) -> None:
    token = sign(settings, claims(settings, ada.id, ada.session, role=role))
    answer = await client.get(TASKS, headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "role_not_allowed")


async def test_a_stranger_sees_nothing_and_creates_nothing(client: httpx.AsyncClient, settings: Settings) -> None:
    """A good token whose account is gone, and with it the session."""
    headers = {"Authorization": f"Bearer {sign(settings, claims(settings, uuid4()))}"}
    for answer in (
        await client.get(TASKS, headers=headers),
        await client.post(TASKS, json=FORM, headers=headers),
        await client.get(ME, headers=headers),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "session_ended")


def _row(admin: psycopg.Connection[Any], task: UUID) -> Any:
    return admin.execute("select t.*, xmin from public.tasks t where id = %s", (task,)).fetchone()
