"""Superusers administer the accounts of a project: through Supabase Auth's administration, if there is a key for it."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import bcrypt
import httpx
import psycopg
import pytest
import respx

from tests.conftest import NewPerson
from tests.people import Person
from tests.supabase_mode.calls import PASSWORD, TASKS, error_of, sent
from tests.supabase_mode.conftest import Serve, in_project
from tests.supabase_mode.project import SECRET_KEY, refusal, user
from tests.superusers import only_superuser

Admin = psycopg.Connection[Any]
ME, USERS = "/api/v1/auth/me", "/api/v1/users"
ACCOUNT = r"/admin/users/(?P<account>[0-9a-f-]{36})$"


@pytest.fixture
def root(new_person: NewPerson) -> Person:
    return in_project(new_person(superuser=True))


@pytest.fixture(scope="module")
async def served_with_key(serve: Serve) -> AsyncIterator[httpx.AsyncClient]:
    async with serve(supabase_secret_key=SECRET_KEY) as http:
        yield http


@pytest.fixture
def keyed(served_with_key: httpx.AsyncClient, supabase: respx.MockRouter, root: Person) -> httpx.AsyncClient:
    served_with_key.headers.update(root.headers)
    return served_with_key


@pytest.fixture
def creating(supabase: respx.MockRouter, admin: Admin) -> respx.Route:
    """Supabase Auth makes accounts: rows, in a transaction of its own."""

    def create(request: httpx.Request) -> httpx.Response:
        form = json.loads(request.content)
        values = (form["id"], form["email"], form.get("password_hash"))
        admin.execute("insert into auth.users (id, email, encrypted_password) values (%s, %s, %s)", values)
        return httpx.Response(200, json=user(id=form["id"], email=form["email"]))

    return supabase.post("/admin/users").mock(side_effect=create)


def form(**changes: Any) -> dict[str, Any]:
    return {"email": f"{uuid4().hex}@example.com", "password": PASSWORD, **changes}


def entries(admin: Admin, person: Person) -> list[tuple[str, UUID | None]]:
    """What the audit log says that somebody has asked for."""
    found = admin.execute(
        "select action, subject_id from private.audit_log"
        " where actor_id = %s and action like 'administration.%%' order by happened_at",
        (person.id,),
    )
    return found.fetchall()


async def test_an_account_is_made_by_supabase_auth_and_its_profile_by_us(
    keyed: httpx.AsyncClient, creating: respx.Route, root: Person, admin: Admin
) -> None:
    wanted = form(full_name="Grace", is_superuser=True)
    answer = await keyed.post(USERS, json=wanted)
    assert answer.status_code == 201, answer.text
    made = answer.json()["data"]
    assert (made["email"], made["full_name"], made["is_superuser"]) == (wanted["email"], "Grace", True)
    headers, body = sent(creating)
    assert (headers["apikey"], headers.get("authorization")) == (SECRET_KEY, None)
    assert (body["id"], body["email_confirm"], "password" in body) == (made["id"], True, False)
    assert bcrypt.checkpw(PASSWORD.encode(), body["password_hash"].encode())
    assert entries(admin, root) == [("administration.accounts_created", None)]


async def test_accounts_of_a_bulk_that_fails_are_deleted_again(
    keyed: httpx.AsyncClient, supabase: respx.MockRouter, creating: respx.Route, admin: Admin, root: Person
) -> None:
    taken = form()
    create = creating.side_effect

    def refuse_one(request: httpx.Request) -> httpx.Response:
        if json.loads(request.content)["email"] == taken["email"]:
            return refusal(422, "email_exists")
        answer: httpx.Response = create(request)  # type: ignore[operator, assignment, misc]
        return answer

    creating.mock(side_effect=refuse_one)
    supabase.get(url__regex=ACCOUNT).mock(return_value=refusal(404, "user_not_found"))

    def delete(_request: httpx.Request, account: str) -> httpx.Response:
        admin.execute("delete from auth.users where id = %s", (account,))
        return httpx.Response(200, json={})

    supabase.delete(url__regex=ACCOUNT).mock(side_effect=delete)
    wanted = [form(), form(), taken]
    assert error_of(await keyed.post(f"{USERS}/bulk", json={"users": wanted})) == (409, "email_taken")
    emails = [each["email"] for each in wanted]
    assert admin.execute("select from auth.users where email = any (%s)", (emails,)).fetchall() == []
    assert entries(admin, root) == []


async def test_an_account_that_a_cut_off_attempt_has_made_is_kept(
    keyed: httpx.AsyncClient, supabase: respx.MockRouter, creating: respx.Route, admin: Admin
) -> None:
    create = creating.side_effect

    def have_it_already(request: httpx.Request) -> httpx.Response:
        create(request)  # type: ignore[operator, misc]
        return refusal(422, "email_exists")

    creating.mock(side_effect=have_it_already)
    supabase.get(url__regex=ACCOUNT).respond(json=user())
    wanted = form(password=None)
    answer = await keyed.post(USERS, json=wanted)
    assert answer.status_code == 201, answer.text
    assert "password_hash" not in sent(creating)[1]
    rows = admin.execute("select id::text from auth.users where email = %s", (wanted["email"],)).fetchall()
    assert rows == [(answer.json()["data"]["id"],)]


async def test_a_change_goes_where_it_belongs(
    keyed: httpx.AsyncClient, supabase: respx.MockRouter, ada: Person, root: Person, admin: Admin
) -> None:
    changing = supabase.put(url__regex=ACCOUNT).respond(json=user(id=str(ada.id)))
    path = f"{USERS}/{ada.id}"
    answer = await keyed.patch(path, json={"full_name": "Ada"})
    assert (answer.status_code, answer.json()["data"]["full_name"]) == (200, "Ada")
    assert changing.call_count == 0
    answer = await keyed.patch(path, json={"email": "new@example.com", "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    assert sent(changing)[1] == {"email": "new@example.com", "email_confirm": True, "password": PASSWORD}
    answer = await keyed.patch(path, json={"is_superuser": False})
    assert sent(changing)[1] == {"app_metadata": {"is_superuser": None}}
    assert entries(admin, root) == [("administration.account_changed", ada.id)] * 2


async def test_a_deactivated_account_is_banned_there_until_it_is_switched_on(
    keyed: httpx.AsyncClient, supabase: respx.MockRouter, ada: Person, root: Person, admin: Admin
) -> None:
    """Its sessions can then be neither refreshed nor begun; and what they have of tokens is refused here."""
    assert (await keyed.get(ME, headers=ada.headers)).status_code == 200
    changing = supabase.put(url__regex=ACCOUNT).respond(json=user(id=str(ada.id)))
    answer = await keyed.post(f"{USERS}/{ada.id}/deactivate")
    assert (answer.status_code, answer.json()["data"]["is_active"]) == (200, False)
    headers, body = sent(changing)
    assert (headers["apikey"], body) == (SECRET_KEY, {"ban_duration": "876000h"})
    assert error_of(await keyed.get(ME, headers=ada.headers)) == (401, "session_ended")
    assert error_of(await keyed.get(TASKS, headers=ada.headers)) == (401, "session_ended")
    answer = await keyed.patch(f"{USERS}/{ada.id}", json={"is_active": True})
    assert (answer.status_code, sent(changing)[1]) == (200, {"ban_duration": "none"})
    assert (await keyed.get(ME, headers=ada.headers)).status_code == 200
    assert entries(admin, root) == [("administration.account_changed", ada.id)] * 2


async def test_nobody_is_half_deactivated(
    keyed: httpx.AsyncClient, supabase: respx.MockRouter, ada: Person, root: Person
) -> None:
    supabase.put(url__regex=ACCOUNT).respond(502, html="<html>")
    assert error_of(await keyed.post(f"{USERS}/{ada.id}/deactivate")) == (503, "auth_unavailable")
    assert (await keyed.get(f"{USERS}/{ada.id}")).json()["data"]["is_active"] is True


async def test_without_a_key_a_deactivated_account_is_refused_all_the_same(
    api: httpx.AsyncClient, root: Person, ada: Person
) -> None:
    answer = await api.post(f"{USERS}/{ada.id}/deactivate", headers=root.headers)
    assert (answer.status_code, answer.json()["data"]["is_active"]) == (200, False)
    assert error_of(await api.get(ME, headers=ada.headers)) == (401, "session_ended")


@pytest.mark.parametrize("soft", [False, True])
async def test_deletion_is_supabase_auths(
    keyed: httpx.AsyncClient, supabase: respx.MockRouter, ada: Person, root: Person, admin: Admin, soft: bool
) -> None:
    deleting = supabase.delete(url__regex=ACCOUNT).respond(json={})
    assert (await keyed.delete(f"{USERS}/{ada.id}", params={"soft": soft})).status_code == 204
    assert sent(deleting)[1] == {"should_soft_delete": soft}
    assert entries(admin, root) == [("administration.account_deleted", ada.id)]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (refusal(404, "user_not_found"), (404, "user_not_found")),
        (refusal(422, "email_exists"), (409, "email_taken")),
        (refusal(422, "weak_password"), (422, "weak_password")),
        (refusal(401, "no_authorization"), (503, "auth_unavailable")),
        (httpx.Response(502, html="<html>"), (503, "auth_unavailable")),
        (httpx.Response(500, json={"code": "unexpected_failure"}), (503, "auth_unavailable")),
    ],
    ids=["nobody", "taken", "weak", "a wrong key", "a gateway", "an error"],
)
async def test_its_refusals_are_ours(
    keyed: httpx.AsyncClient,
    supabase: respx.MockRouter,
    ada: Person,
    admin: Admin,
    root: Person,
    answer: httpx.Response,
    expected: tuple[int, str],
) -> None:
    supabase.put(url__regex=ACCOUNT).mock(return_value=answer)
    change = {"email": "new@example.com", "full_name": "Changed"}
    refused = await keyed.patch(f"{USERS}/{ada.id}", json=change)
    assert error_of(refused) == expected
    assert SECRET_KEY not in refused.text
    assert entries(admin, root) == []
    assert (await keyed.get(f"{USERS}/{ada.id}")).json()["data"]["full_name"] is None


async def test_the_last_superuser_is_not_even_asked_for(
    keyed: httpx.AsyncClient, supabase: respx.MockRouter, root: Person, admin: Admin
) -> None:
    asked = supabase.route(url__regex=ACCOUNT).respond(json={})
    with only_superuser(admin, root.id):
        for change in ({"is_superuser": False}, {"is_active": False}):
            assert error_of(await keyed.patch(f"{USERS}/{root.id}", json=change)) == (409, "last_superuser")
        assert error_of(await keyed.delete(f"{USERS}/{root.id}")) == (409, "last_superuser")
    assert asked.call_count == 0


async def test_without_a_key_accounts_are_looked_at_and_rights_changed(
    api: httpx.AsyncClient, root: Person, ada: Person, admin: Admin
) -> None:
    path = f"{USERS}/{ada.id}"
    assert (await api.get(path, headers=root.headers)).status_code == 200
    for is_superuser in (True, False):
        answer = await api.patch(path, json={"is_superuser": is_superuser}, headers=root.headers)
        assert (answer.status_code, answer.json().get("data", {}).get("is_superuser")) == (200, is_superuser)
    unavailable = (503, "administration_unavailable")
    metadata = "update auth.users set raw_app_meta_data = '{\"is_superuser\": true}' where id = %s"
    admin.execute(metadata.encode(), (ada.id,))
    assert error_of(await api.patch(path, json={"is_superuser": False}, headers=root.headers)) == unavailable
    assert error_of(await api.post(USERS, json=form(), headers=root.headers)) == unavailable
    assert error_of(await api.patch(path, json={"email": "x@example.com"}, headers=root.headers)) == unavailable
    assert error_of(await api.delete(path, headers=root.headers)) == unavailable


async def test_nobody_else_is_heard(api: httpx.AsyncClient, ada: Person, bob: Person) -> None:
    assert error_of(await api.get(USERS, headers=ada.headers)) == (403, "permission_denied")
    assert error_of(await api.delete(f"{USERS}/{bob.id}", headers=ada.headers)) == (403, "permission_denied")
