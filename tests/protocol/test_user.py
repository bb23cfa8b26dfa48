"""`GET` and `PUT /user`: one's own account, looked up at every call."""

import time
from typing import Any
from uuid import uuid4

import pytest

from api_main.core.settings import Settings
from tests.people import claims, sign
from tests.protocol.conftest import Admin
from tests.protocol.project import PASSWORD, Json, Project, claims_of, good, new_email, refused, token_in


async def test_the_user_is_that_of_the_token(auto: Project, grace: Json) -> None:
    assert good(await auto.user(grace["access_token"])) == grace["user"]


async def test_without_a_bearer_nobody_is_asking(auto: Project) -> None:
    answer = await auto.http.get("/auth/v1/user", headers={"apikey": auto.publishable})
    refused(answer, 401, "no_authorization", "This endpoint requires a valid Bearer token")


async def test_a_key_is_never_a_user(auto: Project) -> None:
    for key in (auto.publishable, auto.secret):
        refused(await auto.call("GET", "user", key=key), 403, "bad_jwt", "invalid claim: missing sub claim")


async def test_a_bad_token_is_refused(auto: Project, settings: Settings, grace: Json) -> None:
    user_id = grace["user"]["id"]
    expired = sign(settings, claims(settings, user_id, exp=int(time.time()) - 60))
    for token in ("nonsense", grace["access_token"][:-4] + "AAAA", expired, f"pat_{'x' * 43}", "a.b.c"):
        refused(await auto.user(token), 403, "bad_jwt")
    elevated = sign(settings, claims(settings, user_id, role="service_role"))
    refused(await auto.user(elevated), 403, "bad_jwt")


async def test_a_subject_that_is_no_uuid_is_told_from_a_bad_token(auto: Project, settings: Settings) -> None:
    token = sign(settings, claims(settings, uuid4(), sub="ada"))
    refused(await auto.user(token), 400, "bad_jwt", "invalid claim: sub claim must be a UUID")


async def test_a_gone_user_and_a_gone_session_are_told_apart(auto: Project, grace: Json, admin: Admin) -> None:
    token, user_id = grace["access_token"], grace["user"]["id"]
    admin.execute("delete from auth.sessions where user_id = %s", (user_id,))
    refused(await auto.user(token), 403, "session_not_found", "Session from session_id claim in JWT does not exist")
    admin.execute("delete from auth.users where id = %s", (user_id,))
    refused(await auto.user(token), 403, "user_not_found", "User from sub claim in JWT does not exist")


async def test_a_token_without_a_session_or_with_anothers_is_refused(
    auto: Project, grace: Json, settings: Settings
) -> None:
    other = await auto.sign_up_anonymously()
    own, stranger = grace["user"]["id"], other["user"]["id"]
    without = {name: value for name, value in claims(settings, own).items() if name != "session_id"}
    refused(await auto.user(sign(settings, without)), 403, "session_not_found")
    session = claims_of(grace)["session_id"]
    refused(await auto.user(sign(settings, claims(settings, stranger, session))), 403, "session_not_found")
    refused(await auto.user(sign(settings, claims(settings, uuid4()))), 403, "user_not_found")


async def test_a_ban_acts_at_once_and_ends_when_it_is_lifted(auto: Project, grace: Json, admin: Admin) -> None:
    token, user_id = grace["access_token"], grace["user"]["id"]
    admin.execute("update auth.users set banned_until = now() + interval '1 day' where id = %s", (user_id,))
    refused(await auto.user(token), 403, "user_banned", "User is banned")
    refused(await auto.change(token, data={}), 403, "user_banned")
    admin.execute("update auth.users set banned_until = null where id = %s", (user_id,))
    good(await auto.user(token))


async def test_metadata_is_merged_and_null_removes(auto: Project, grace: Json) -> None:
    token = grace["access_token"]
    changed = good(await auto.change(token, data={"theme": "dark", "nested": {"a": 1}}))
    assert changed["user_metadata"] == {"full_name": "Grace", "theme": "dark", "nested": {"a": 1}}
    changed = good(await auto.change(token, data={"full_name": None, "nested": {"b": 2}}))
    assert changed["user_metadata"] == {"theme": "dark", "nested": {"b": 2}}
    assert changed["updated_at"] > grace["user"]["updated_at"]
    assert good(await auto.user(token)) == changed


async def test_nothing_but_an_administrator_changes_app_metadata(auto: Project, grace: Json) -> None:
    token = grace["access_token"]
    refused(await auto.change(token, app_metadata={"role": "admin"}), 403, "not_admin")
    user = good(await auto.change(token, role="service_role", is_super_admin=True, banned_until=None))
    assert (user["role"], user["app_metadata"]) == ("authenticated", grace["user"]["app_metadata"])


async def test_a_new_password_opens_and_ends_all_other_sessions(auto: Project, grace: Json, email: str) -> None:
    other = good(await auto.sign_in(email))
    good(await auto.change(grace["access_token"], password="another afternoon"))
    refused(await auto.sign_in(email), 400, "invalid_credentials")
    good(await auto.sign_in(email, "another afternoon"))
    good(await auto.user(grace["access_token"]))
    refused(await auto.user(other["access_token"]), 403, "session_not_found")
    refused(await auto.refresh(other["refresh_token"]), 400, "refresh_token_not_found")
    good(await auto.refresh(grace["refresh_token"]))


@pytest.mark.parametrize("by", ["the owner", "an administrator"])
async def test_a_new_password_voids_what_was_mailed(confirming: Project, by: str) -> None:
    """Whoever held the account until now may have asked for it, and waits."""
    email, thiefs = new_email(), new_email()
    await confirming.sign_up(email)
    form = {"type": "signup", "token_hash": token_in(confirming.mails(email)[0])}
    session = good(await confirming.post("verify", form))
    good(await confirming.post("recover", {"email": email}))
    recovery = token_in(confirming.mails(email)[0])
    good(await confirming.change(session["access_token"], email=thiefs))
    change = token_in(confirming.mails(thiefs)[0])
    if by == "the owner":
        good(await confirming.change(session["access_token"], password="another afternoon"))
    else:
        user = f"users/{session['user']['id']}"
        good(await confirming.administer("PUT", user, json={"password": "another afternoon"}))
    good(await confirming.post("resend", {"type": "email_change", "email": thiefs}))
    assert len(confirming.mails(thiefs)) == 1
    for kind, token in (("recovery", recovery), ("email_change", change)):
        refused(await confirming.post("verify", {"type": kind, "token_hash": token}), 403, "otp_expired")
    assert "new_email" not in good(await confirming.sign_in(email, "another afternoon"))["user"]


BAD_PASSWORDS = {
    PASSWORD: (422, "same_password"),
    "short": (422, "weak_password"),
    "password1": (422, "weak_password"),
    "x" * 73: (400, "validation_failed"),
}


@pytest.mark.parametrize("password", BAD_PASSWORDS)
async def test_a_new_password_must_be_new_and_good(auto: Project, grace: Json, email: str, password: str) -> None:
    refused(await auto.change(grace["access_token"], password=password), *BAD_PASSWORDS[password])
    good(await auto.sign_in(email))


async def test_a_password_for_an_account_without_one_needs_no_comparison(
    auto: Project, grace: Json, admin: Admin, email: str
) -> None:
    admin.execute("update auth.users set encrypted_password = null where email = %s", (email,))
    good(await auto.change(grace["access_token"], password=PASSWORD))
    good(await auto.sign_in(email))


async def test_an_anonymous_account_takes_no_password_without_an_email(auto: Project, admin: Admin) -> None:
    session = await auto.sign_up_anonymously()
    refused(await auto.change(session["access_token"], password=PASSWORD), 422, "validation_failed")


async def test_phones_cannot_be_added(auto: Project, grace: Json) -> None:
    refused(await auto.change(grace["access_token"], phone="+49151000000"), 400, "phone_provider_disabled")


async def test_nothing_at_all_may_be_changed(auto: Project, grace: Json) -> None:
    assert good(await auto.change(grace["access_token"]))["id"] == grace["user"]["id"]


async def test_an_account_that_vanishes_meanwhile_is_no_error_of_ours(
    auto: Project, grace: Json, admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = auto.app.state.accounts
    state = accounts.session_state

    async def state_just_before(principal: Any) -> Any:
        found = await state(principal)
        admin.execute("delete from auth.users where id = %s", (principal.subject,))
        return found

    monkeypatch.setattr(accounts, "session_state", state_just_before)
    refused(await auto.user(grace["access_token"]), 403, "session_not_found")
