"""`/api/v1/auth` on a Supabase project: the same answers as ever, while Supabase Auth keeps the accounts."""

import time
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import respx
from supabase import ASupabaseAuthClient
from supabase_auth.types import AuthResponse

from tests.people import Person
from tests.supabase_mode import project
from tests.supabase_mode.calls import (
    AUTH,
    NEW_PASSWORD,
    PASSWORD,
    change_password,
    error_of,
    login,
    logout,
    refresh,
    register,
    sent,
)
from tests.supabase_mode.project import PUBLISHABLE_KEY

FIELDS = {"id", "aud", "role", "email", "phone", "app_metadata", "user_metadata", "identities", "is_anonymous"}


async def test_a_new_account_is_signed_in_where_the_project_confirms_by_itself(
    api: httpx.AsyncClient, supabase: respx.MockRouter
) -> None:
    theirs = project.session(email="new@example.com", user_metadata={"full_name": "New"})
    route = supabase.post("/signup").respond(json=theirs)
    answer = await register(api, full_name="New")
    assert answer.status_code == 201
    tokens = answer.json()["data"]
    assert {name: tokens[name] for name in theirs if name != "user"} == {n: theirs[n] for n in theirs if n != "user"}
    assert tokens["user"]["id"] == theirs["user"]["id"]
    assert tokens["user"]["identities"][0]["email"] == "new@example.com"
    assert tokens["user"].keys() >= FIELDS
    headers, body = sent(route)
    assert (body["email"], body["password"], body["data"]) == ("new@example.com", PASSWORD, {"full_name": "New"})
    assert "code_challenge" not in body, "its verifier would be lost"
    assert (headers["apikey"], headers.get("authorization")) == (PUBLISHABLE_KEY, None)


def taken_apart(answer: httpx.Response) -> dict[str, object]:
    """What is left of a user that may differ between a new account and a made-up one."""
    fields = dict(answer.json()["data"])
    UUID(fields.pop("id"))
    moments = {fields.pop(name) for name in ("created_at", "updated_at", "confirmation_sent_at")}
    assert len(moments) == 1
    return fields


async def test_without_a_session_nobody_learns_whether_the_email_has_an_account(
    api: httpx.AsyncClient, supabase: respx.MockRouter
) -> None:
    """Supabase Auth's made-up users have neither role nor identities, which gives them away."""
    unconfirmed = {"email": "new@example.com", "email_confirmed_at": None, "confirmed_at": None}
    real = project.user(**unconfirmed, confirmation_sent_at="2026-11-20T10:00:00.5Z")
    made_up = project.user(**unconfirmed, role="", identities=[], user_metadata={"full_name": "New"})
    supabase.post("/signup").mock(side_effect=[httpx.Response(200, json=real), httpx.Response(200, json=made_up)])
    first, second = [await register(api, full_name="New") for _ in range(2)]
    assert first.status_code == second.status_code == 201
    assert taken_apart(first) == taken_apart(second)
    assert first.json()["data"]["id"] == real["id"]


@pytest.mark.parametrize("key", ["x", "0197f1a2-6a3e-7d42-9f0e-3a1d5c7b9e24"])
async def test_a_key_is_nothing_to_an_account_that_supabase_auth_makes(
    api: httpx.AsyncClient, supabase: respx.MockRouter, key: str
) -> None:
    route = supabase.post("/signup").respond(json=project.session(email="new@example.com"))
    form, headers = {"email": "new@example.com", "password": PASSWORD}, {"Idempotency-Key": key}
    answers = [await api.post(f"{AUTH}/register", json=form, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert not any("Idempotency-Replayed" in answer.headers for answer in answers)
    assert len(route.calls) == 2


async def test_an_answer_without_a_user_makes_no_account(
    api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package's types allow one, though none that it reads today is without."""

    async def sign_up(*_: object) -> AuthResponse:
        return AuthResponse()

    monkeypatch.setattr(ASupabaseAuthClient, "sign_up", sign_up)
    assert error_of(await register(api)) == (503, "auth_unavailable")


async def test_signing_in_gives_the_tokens_that_the_project_gave(
    api: httpx.AsyncClient, supabase: respx.MockRouter
) -> None:
    theirs = project.session(email="ada@example.com", banned_until="2020-01-01T00:00:00Z", factors=[])
    route = supabase.post("/token", params={"grant_type": "password"}).respond(json=theirs)
    tokens = (await login(api, "Ada@Example.com")).json()["data"]
    assert (tokens["access_token"], tokens["refresh_token"]) == (theirs["access_token"], theirs["refresh_token"])
    assert (tokens["token_type"], tokens["expires_in"]) == ("bearer", 3600)
    assert tokens["user"]["banned_until"] == "2020-01-01T00:00:00+00:00"
    headers, body = sent(route)
    assert (body["email"], body["password"]) == ("ada@example.com", PASSWORD)
    assert (headers["apikey"], headers.get("authorization")) == (PUBLISHABLE_KEY, None)


@pytest.mark.parametrize(
    "user",
    [{"email": None, "phone": "15550100"}, {"identities": None, "updated_at": None}, {"role": None}],
    ids=["no e-mail", "no identities", "no role"],
)
async def test_a_user_that_lacks_something_is_shown_all_the_same(
    api: httpx.AsyncClient, supabase: respx.MockRouter, user: dict[str, Any]
) -> None:
    supabase.post("/token").respond(json=project.session(**user))
    assert (await login(api)).json()["data"]["user"].keys() >= FIELDS


async def test_a_refresh_token_is_exchanged_for_the_next_one(
    api: httpx.AsyncClient, supabase: respx.MockRouter
) -> None:
    theirs = project.session()
    route = supabase.post("/token", params={"grant_type": "refresh_token"}).respond(json=theirs)
    assert (await refresh(api)).json()["data"]["refresh_token"] == theirs["refresh_token"]
    headers, body = sent(route)
    assert body == {"refresh_token": "a-refresh-token"}
    assert (headers["apikey"], headers.get("authorization")) == (PUBLISHABLE_KEY, None)


async def test_an_empty_refresh_token_is_refused_without_a_call(
    api: httpx.AsyncClient, supabase: respx.MockRouter
) -> None:
    assert error_of(await refresh(api, "")) == (401, "invalid_refresh_token")
    assert not supabase.calls


@pytest.mark.parametrize("scope", ["local", "global", "others"])
async def test_signing_out_ends_the_sessions_of_its_scope_as_the_caller(
    api: httpx.AsyncClient, supabase: respx.MockRouter, ada: Person, scope: str
) -> None:
    route = supabase.post("/logout", params={"scope": scope}).respond(204)
    answer = await logout(api, ada, scope)
    assert (answer.status_code, answer.content) == (204, b"")
    headers, _ = sent(route)
    assert (headers["apikey"], headers["authorization"]) == (PUBLISHABLE_KEY, f"Bearer {ada.token}")


async def test_an_unknown_scope_is_refused_without_a_call(
    api: httpx.AsyncClient, supabase: respx.MockRouter, ada: Person
) -> None:
    route = supabase.post("/logout").respond(204)
    assert error_of(await logout(api, ada, "some")) == (422, "validation_failed")
    assert not route.called


async def test_a_session_that_is_gone_already_is_signed_out(
    api: httpx.AsyncClient, supabase: respx.MockRouter, ada: Person
) -> None:
    supabase.post("/logout").mock(return_value=project.refusal(403, "session_not_found"))
    assert (await logout(api, ada)).status_code == 204
    assert error_of(await logout(api, ada, "others")) == (401, "session_ended")


class Password:
    """The calls of a password change."""

    def __init__(self, supabase: respx.MockRouter, person: Person) -> None:
        self.user = supabase.get("/user").respond(json=project.user(id=str(person.id), email=person.email))
        self.proof = supabase.post("/token").respond(json=project.session("proof.of.password", id=str(person.id)))
        self.change = supabase.put("/user").respond(json=project.user(id=str(person.id)))
        self.logout = supabase.post("/logout").respond(204)


async def test_a_password_is_changed_by_its_owner_who_knows_the_present_one(
    api: httpx.AsyncClient, supabase: respx.MockRouter, ada: Person
) -> None:
    calls = Password(supabase, ada)
    assert (await change_password(api, ada)).status_code == 204
    headers, body = sent(calls.proof)
    assert (body["email"], body["password"], headers.get("authorization")) == (ada.email, PASSWORD, None)
    headers, body = sent(calls.change)
    assert body == {"password": NEW_PASSWORD, "current_password": PASSWORD}
    assert headers["authorization"] == f"Bearer {ada.token}"
    assert calls.logout.calls.last.request.url.params["scope"] == "others"
    assert sent(calls.logout)[0]["authorization"] == f"Bearer {ada.token}"


async def test_a_wrong_password_changes_nothing(
    api: httpx.AsyncClient, supabase: respx.MockRouter, ada: Person
) -> None:
    calls = Password(supabase, ada)
    calls.proof.mock(return_value=project.refusal(400, "invalid_credentials"))
    answer = await change_password(api, ada)
    assert error_of(answer) == (403, "wrong_password")
    assert answer.json()["error"]["field"] == "current_password"
    assert not calls.change.called


async def test_an_outage_counts_as_no_guess_at_the_present_password(
    api: httpx.AsyncClient, supabase: respx.MockRouter, ada: Person
) -> None:
    calls = Password(supabase, ada)
    calls.proof.mock(return_value=project.gateway(502))
    for _ in range(11):
        assert error_of(await change_password(api, ada)) == (503, "auth_unavailable")
    Password(supabase, ada)
    assert (await change_password(api, ada)).status_code == 204


async def test_the_session_that_proved_the_password_ends_if_the_change_fails(
    api: httpx.AsyncClient, supabase: respx.MockRouter, ada: Person
) -> None:
    calls = Password(supabase, ada)
    calls.change.mock(return_value=project.refusal(422, "weak_password", weak_password={"reasons": ["pwned"]}))
    answer = await change_password(api, ada)
    assert error_of(answer) == (422, "weak_password")
    assert (answer.json()["error"]["field"], answer.json()["error"]["details"]) == ("new_password", ["pwned"])
    assert calls.logout.calls.last.request.url.params["scope"] == "local"
    assert sent(calls.logout)[0]["authorization"] == "Bearer proof.of.password"


async def test_a_change_stands_even_if_signing_the_others_out_fails(
    api: httpx.AsyncClient, supabase: respx.MockRouter, ada: Person
) -> None:
    """Supabase Auth ends them together with the change; an error would make people try the old password again."""
    calls = Password(supabase, ada)
    calls.logout.mock(side_effect=httpx.ConnectError("away"))
    assert (await change_password(api, ada)).status_code == 204


@pytest.mark.parametrize("user", [{"email": None, "phone": "15550100"}, {"email": None, "is_anonymous": True}])
async def test_an_account_without_an_email_proves_itself_by_phone_or_not_at_all(
    api: httpx.AsyncClient, supabase: respx.MockRouter, ada: Person, user: dict[str, Any]
) -> None:
    calls = Password(supabase, ada)
    calls.user.respond(json=project.user(id=str(ada.id), **user))
    answer = await change_password(api, ada)
    if "phone" in user:
        assert (answer.status_code, sent(calls.proof)[1]["phone"]) == (204, "15550100")
    else:
        assert error_of(answer) == (403, "wrong_password")


async def test_a_token_in_its_last_seconds_must_be_refreshed_first(
    api: httpx.AsyncClient, supabase: respx.MockRouter, ada: Person
) -> None:
    calls = Password(supabase, ada)
    dying = project.token(ada.id, ada.session, exp=int(time.time()) + 5)
    assert error_of(await change_password(api, Person(ada.id, ada.email, ada.session, dying))) == (401, "token_expired")
    assert not calls.user.called


async def test_the_same_password_again_is_refused_without_a_call(
    api: httpx.AsyncClient, supabase: respx.MockRouter, ada: Person
) -> None:
    calls = Password(supabase, ada)
    assert error_of(await change_password(api, ada, PASSWORD)) == (422, "same_password")
    assert not calls.user.called


async def test_the_profile_is_read_and_changed_as_ever(api: httpx.AsyncClient, ada: Person) -> None:
    name = f"ada_{uuid4().hex[:8]}"
    changed = await api.patch(f"{AUTH}/me", json={"username": name}, headers=ada.headers)
    assert changed.json()["data"]["username"] == name
    assert (await api.get(f"{AUTH}/me", headers=ada.headers)).json()["data"]["id"] == str(ada.id)
