"""What superusers do with single accounts, and what nobody else does."""

from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.conftest import NewPerson
from tests.people import Person
from tests.users.client import PASSWORD, USERS, Json, UsersClient, data, error_of, form

NOBODY = "6f1c5e0a-0d0c-4a53-9c1b-2f0c6f3a7b11"
REFUSALS: dict[str, tuple[str, str, Json | None]] = {
    "list": ("GET", "", None),
    "create": ("POST", "", form()),
    "bulk": ("POST", "/bulk", {"users": [form()]}),
    "read": ("GET", "/{id}", None),
    "change": ("PATCH", "/{id}", {"is_superuser": True}),
    "deactivate": ("POST", "/{id}/deactivate", None),
    "delete": ("DELETE", "/{id}", None),
}

BAD: dict[str, tuple[Json, int, str, str]] = {
    "no e-mail": ({"email": None}, 422, "validation_failed", "email"),
    "a bad e-mail": ({"email": "not-an-email"}, 422, "validation_failed", "email"),
    "a weak password": ({"password": "short"}, 422, "weak_password", "password"),
    "a common password": ({"password": "password1"}, 422, "weak_password", "password"),
    "a long password": ({"password": "x" * 73}, 422, "password_too_long", "password"),
    "a bad username": ({"username": "A B"}, 422, "validation_failed", "username"),
    "a bad locale": ({"locale": "english"}, 422, "validation_failed", "locale"),
    "a role": ({"role": "service_role"}, 422, "validation_failed", "role"),
    "an avatar": ({"avatar": "https://example.com/x.png"}, 422, "validation_failed", "avatar"),
}


async def sign_in(client: httpx.AsyncClient, email: str, password: str = PASSWORD) -> httpx.Response:
    return await client.post("/api/v1/auth/login", json={"email": email, "password": password})


@pytest.mark.parametrize("what", REFUSALS)
async def test_nobody_but_superusers_gets_anywhere(
    client: httpx.AsyncClient, ada: Person, bob: Person, new_person: NewPerson, what: str
) -> None:
    method, path, body = REFUSALS[what]
    banned = new_person(superuser=True, banned_until="infinity")
    for account in (ada, bob):  # oneself included: nobody raises their own rights
        where = f"{USERS}{path.format(id=account.id)}"
        answer = await client.request(method, where, json=body, headers=ada.headers)
        assert error_of(answer) == (403, "permission_denied", None)
        assert bob.email not in answer.text
    assert (await client.request(method, where, json=body)).status_code == 401
    assert (await client.request(method, where, json=body, headers=banned.headers)).status_code in {401, 403}
    profile = (await client.get("/api/v1/auth/me", headers=bob.headers)).json()["data"]
    assert (profile["is_superuser"], profile["is_active"]) == (False, True)


async def test_an_account_is_made_as_it_is_described(client: httpx.AsyncClient, users: UsersClient, mark: str) -> None:
    wanted = form(mark, full_name="Grace Hopper", username=mark, locale="pt-BR", is_superuser=True)
    answer = await users.send("POST", json={**wanted, "email": wanted["email"].upper()})
    made = data(answer, 201)
    assert answer.headers["location"] == f"{USERS}/{made['id']}"
    expected = {name: value for name, value in wanted.items() if name != "password"}
    assert {name: made[name] for name in expected} == expected
    assert (made["is_active"], made["is_anonymous"], made["deleted_at"]) == (True, False, None)
    assert made["email_confirmed_at"] is not None
    assert data(await users.send("GET", f"/{made['id']}"), 200) == made
    session = data(await sign_in(client, wanted["email"]), 200)
    mine = await client.get(USERS, headers={"Authorization": f"Bearer {session['access_token']}"})
    assert mine.status_code == 200  # a superuser at once


async def test_an_unconfirmed_account_and_one_without_a_password_do_not_sign_in(
    client: httpx.AsyncClient, users: UsersClient
) -> None:
    pending = await users.create(email_confirm=False)
    assert (await sign_in(client, pending["email"])).json()["error"]["code"] == "email_not_confirmed"
    bare = await users.create(password=None)
    assert (await sign_in(client, bare["email"])).json()["error"]["code"] == "invalid_credentials"


@pytest.mark.parametrize("what", BAD)
async def test_a_bad_description_makes_and_changes_nothing(users: UsersClient, what: str) -> None:
    wanted, status, code, field = BAD[what]
    wanted = form(**wanted)
    assert error_of(await users.send("POST", json=wanted)) == (status, code, field)
    assert (await users.list(search=wanted["email"] or "@nobody."))["data"] == []
    account = await users.create()
    changes = {field: wanted[field], "full_name": "Changed"}
    assert error_of(await users.send("PATCH", f"/{account['id']}", json=changes)) == (status, code, field)
    assert data(await users.send("GET", f"/{account['id']}"), 200) == account


async def test_names_that_others_have_are_refused(users: UsersClient, mark: str) -> None:
    first, second = await users.create(username=mark), await users.create()
    assert error_of(await users.send("POST", json=form(email=first["email"]))) == (409, "email_taken", "email")
    taken = form(username=mark)
    assert error_of(await users.send("POST", json=taken)) == (409, "username_taken", "username")
    assert (await users.list(search=taken["email"]))["data"] == []  # all or nothing
    where = f"/{second['id']}"
    changes = {"email": first["email"], "full_name": "Changed"}
    assert error_of(await users.send("PATCH", where, json=changes)) == (409, "email_taken", "email")
    changes = {"username": mark, "email": f"{uuid4()}@example.com"}
    assert error_of(await users.send("PATCH", where, json=changes)) == (409, "username_taken", "username")
    assert data(await users.send("GET", where), 200) == second


async def test_what_is_named_changes_and_the_rest_stays(
    client: httpx.AsyncClient, users: UsersClient, mark: str
) -> None:
    before = await users.create(full_name="Grace", email_confirm=False)
    wanted = {"email": f"{mark}@example.com", "username": mark, "locale": "de"}
    after = await users.change(before["id"], **wanted)
    assert {name: after[name] for name in wanted} == wanted
    assert after["email_confirmed_at"] is not None
    same = set(before) - {*wanted, "updated_at", "email_confirmed_at"}
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    await users.change(before["id"], full_name=None, username=None)
    assert data(await users.send("GET", f"/{before['id']}"), 200)["full_name"] is None
    assert (await sign_in(client, wanted["email"])).status_code == 200


async def test_an_empty_change_changes_nothing(users: UsersClient, ada: Person) -> None:
    before = data(await users.send("GET", f"/{ada.id}"), 200)
    assert await users.change(ada.id) == before


async def test_a_new_password_ends_every_session(client: httpx.AsyncClient, users: UsersClient) -> None:
    account = await users.create()
    session = data(await sign_in(client, account["email"]), 200)
    await users.change(account["id"], password="another afternoon")
    assert (await sign_in(client, account["email"])).status_code == 401
    assert (await sign_in(client, account["email"], "another afternoon")).status_code == 200
    answer = await client.post("/api/v1/auth/refresh", json={"refresh_token": session["refresh_token"]})
    assert answer.status_code == 401


async def test_a_deactivated_account_is_out_until_it_is_switched_on_and_signs_in_again(
    client: httpx.AsyncClient, users: UsersClient
) -> None:
    account = await users.create()
    session = data(await sign_in(client, account["email"]), 200)
    off = data(await users.send("POST", f"/{account['id']}/deactivate"), 200)
    assert off["is_active"] is False
    bearer = {"Authorization": f"Bearer {session['access_token']}"}
    assert (await client.get("/api/v1/auth/me", headers=bearer)).status_code == 401
    assert (await sign_in(client, account["email"])).json()["error"]["code"] == "account_disabled"
    assert (await users.change(account["id"], is_active=True))["is_active"] is True
    assert (await client.get("/api/v1/auth/me", headers=bearer)).status_code == 401
    assert (await sign_in(client, account["email"])).status_code == 200


async def test_rights_take_effect_at_once(users: UsersClient, ada: Person, admin: psycopg.Connection[Any]) -> None:
    adas = UsersClient(users.http, ada)
    assert (await adas.send("GET")).status_code == 403
    assert (await users.change(ada.id, is_superuser=True))["is_superuser"] is True
    assert (await adas.send("GET")).status_code == 200
    metadata = 'update auth.users set raw_app_meta_data = \'{"is_superuser": true, "team": 1}\' where id = %s'
    admin.execute(metadata, (ada.id,))
    assert (await users.change(ada.id, is_superuser=False))["is_superuser"] is False  # wherever they come from
    assert (await adas.send("GET")).status_code == 403
    left = admin.execute("select raw_app_meta_data from auth.users where id = %s", (ada.id,)).fetchone()
    assert left == ({"team": 1},)


async def test_deletion_takes_what_is_the_accounts_own(
    users: UsersClient, ada: Person, admin: psycopg.Connection[Any]
) -> None:
    task = {"title": "Hers"}
    assert (await users.http.post("/api/v1/tasks", json=task, headers=ada.headers)).status_code == 201
    assert (await users.send("DELETE", f"/{ada.id}")).status_code == 204
    assert (await users.send("GET", f"/{ada.id}")).status_code == 404
    assert admin.execute("select from public.tasks where owner_id = %s", (ada.id,)).fetchall() == []


async def test_soft_deletion_keeps_the_tasks_and_forgets_the_person(
    users: UsersClient, ada: Person, admin: psycopg.Connection[Any]
) -> None:
    task = {"title": "Hers"}
    await users.http.post("/api/v1/tasks", json=task, headers=ada.headers)
    assert (await users.send("DELETE", f"/{ada.id}", params={"soft": True})).status_code == 204
    left = await users.send("GET", f"/{ada.id}")
    assert data(left, 200)["email"] is None
    assert data(left, 200)["deleted_at"] is not None
    assert ada.email not in left.text
    assert len(admin.execute("select from public.tasks where owner_id = %s", (ada.id,)).fetchall()) == 1


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("PATCH", "", {}),
        ("PATCH", "", {"locale": "de"}),
        ("DELETE", "", None),
        ("POST", "/deactivate", None),
    ],
    ids=str,
)
async def test_an_id_of_nobody_is_not_found(users: UsersClient, method: str, path: str, body: Json | None) -> None:
    assert error_of(await users.send(method, f"/{NOBODY}{path}", json=body)) == (404, "user_not_found", None)
    assert (await users.send(method, f"/nonsense{path}", json=body)).status_code == 422


async def test_a_superuser_who_was_demoted_meanwhile_changes_nothing(
    users: UsersClient, ada: Person, admin: psycopg.Connection[Any]
) -> None:
    """The database looks once more, in the transaction of the change."""
    claims = f'{{"sub": "{ada.id}", "role": "authenticated"}}'
    with admin.transaction(force_rollback=True):
        admin.execute("select set_config('role', 'authenticated', true)")
        admin.execute("select set_config('request.jwt.claims', %s, true)", (claims,))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            admin.execute("select private.change_profile(%s, '{\"is_superuser\": true}')", (ada.id,))
