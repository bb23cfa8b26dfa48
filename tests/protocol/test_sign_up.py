"""Signing up: what is made, what is refused, and what nobody learns from the answer."""

import asyncio
import json
from typing import Any

import bcrypt
import pytest

from api_main.auth import passwords
from api_main.core.settings import Settings
from tests.protocol.conftest import Admin
from tests.protocol.project import PASSWORD, Json, Project, code_in, good, new_email, refused, running, token_in


async def test_with_auto_confirm_an_account_is_signed_in_at_once(auto: Project) -> None:
    email = new_email()
    session = await auto.sign_up(email.upper(), data={"full_name": "Ada"}, gotrue_meta_security={}, code_challenge=None)
    assert session.keys() == {"access_token", "token_type", "expires_in", "expires_at", "refresh_token", "user"}
    assert (session["token_type"], session["expires_in"]) == ("bearer", 1800)
    user = session["user"]
    assert user.keys() == {
        *("id", "aud", "role", "email", "email_confirmed_at", "phone", "confirmed_at", "last_sign_in_at"),
        *("app_metadata", "user_metadata", "identities", "created_at", "updated_at", "is_anonymous"),
    }
    assert (user["email"], user["phone"], user["role"], user["aud"]) == (email, "", "authenticated", "authenticated")
    assert user["app_metadata"] == {"provider": "email", "providers": ["email"]}
    assert user["user_metadata"] == {"full_name": "Ada"}
    [identity] = user["identities"]
    assert identity.keys() == {
        *("identity_id", "id", "user_id", "identity_data", "provider", "last_sign_in_at", "created_at", "updated_at"),
        "email",
    }
    verified = {"email_verified": True, "phone_verified": False}
    assert identity["identity_data"] == {"sub": user["id"], "email": email, **verified}
    assert (identity["id"], identity["user_id"], identity["provider"]) == (user["id"], user["id"], "email")
    assert auto.mails(email) == []


async def test_with_auto_confirm_a_taken_email_is_said_to_be_taken(auto: Project, email: str) -> None:
    again = await auto.post("signup", {"email": email.upper(), "password": "another afternoon"})
    refused(again, 422, "user_already_exists", "User already registered")


async def test_without_auto_confirm_nobody_is_signed_in_before_the_mail_is_answered(confirming: Project) -> None:
    email = new_email()
    user = await confirming.sign_up(email)
    assert "access_token" not in user
    assert "email_confirmed_at" not in user
    refused(await confirming.sign_in(email), 400, "email_not_confirmed", "Email not confirmed")
    refused(await confirming.sign_in(email, "wrong"), 400, "invalid_credentials", "Invalid login credentials")
    [mail] = confirming.mails(email)
    session = good(await confirming.post("verify", {"type": "signup", "email": email, "token": code_in(mail)}))
    assert session["user"]["id"] == user["id"]
    assert session["user"]["identities"][0]["identity_data"]["email_verified"] is True
    good(await confirming.sign_in(email))


@pytest.mark.parametrize("state", ["confirmed", "unconfirmed", "banned"])
async def test_without_auto_confirm_a_known_email_gets_the_answer_of_an_unknown_one(
    confirming: Project, admin: Admin, state: str
) -> None:
    email = new_email()
    await confirming.sign_up(email)
    if state == "confirmed":
        good(await confirming.post("verify", {"type": "signup", "token_hash": token_in(confirming.mails(email)[0])}))
    if state == "banned":
        admin.execute("update auth.users set banned_until = now() + interval '1 day' where email = %s", (email,))
    form: Json = {"password": "somebody else's", "data": {"full_name": "Eve"}}
    known, unknown = await confirming.sign_up(email, **form), await confirming.sign_up(**form)
    assert _shape(known) == _shape(unknown)
    assert known["user_metadata"] == {"full_name": "Eve"}
    refused(await confirming.sign_in(email, "somebody else's"), 400, "invalid_credentials")


async def test_whoever_signs_up_again_before_confirming_gets_another_mail(confirming: Project) -> None:
    email = new_email()
    await confirming.sign_up(email)
    await confirming.sign_up(email)
    newest, oldest = confirming.mails(email)
    refused(await confirming.post("verify", {"type": "signup", "token_hash": token_in(oldest)}), 403, "otp_expired")
    good(await confirming.post("verify", {"type": "signup", "token_hash": token_in(newest)}))
    await confirming.sign_up(email)
    assert len(confirming.mails(email)) == 2


@pytest.mark.parametrize("known", [True, False])
async def test_a_known_email_costs_the_same_work_as_an_unknown_one(
    confirming: Project, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    email = new_email()
    if known:
        await confirming.sign_up(email)
    hashed: list[bytes] = []

    def count(secret: bytes, salt: bytes) -> bytes:
        hashed.append(salt[:7])
        return real(secret, salt)

    real = bcrypt.hashpw
    monkeypatch.setattr(passwords, "COST", 12)
    monkeypatch.setattr(bcrypt, "hashpw", count)
    await confirming.sign_up(email)
    assert hashed == [b"$2b$12$"]


async def test_of_ten_who_sign_up_at_once_one_wins(auto: Project, admin: Admin) -> None:
    email = new_email()
    answers = await asyncio.gather(*(auto.post("signup", {"email": email, "password": PASSWORD}) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200, *[422] * 9]
    assert admin.execute("select count(*) from auth.users where email = %s", (email,)).fetchone() == (1,)
    assert admin.execute("select count(*) from auth.identities where email = %s", (email,)).fetchone() == (1,)


async def test_sign_up_can_be_switched_off(settings: Settings) -> None:
    async with running(settings, sign_up_enabled=False, anonymous_users_enabled=True) as closed:
        email = new_email()
        for headers in ({}, {"Authorization": ""}):  # somebody who sends no bearer hears the same
            answer = await closed.post("signup", {"email": email, "password": PASSWORD}, headers=headers)
            refused(answer, 422, "signup_disabled", "Signups not allowed for this instance")
        refused(await closed.post("signup"), 422, "signup_disabled")
        assert good(await closed.post("otp", {"email": email})) == {}
        assert closed.mails(email) == []
        assert good(await closed.call("GET", "settings"))["disable_signup"] is True


async def test_anonymous_people_have_an_account_without_an_email(auto: Project) -> None:
    session = good(await auto.post("signup", {"data": {"theme": "dark"}}))
    user = session["user"]
    assert (user["is_anonymous"], user["email"], user["identities"]) == (True, "", [])
    assert user["user_metadata"] == {"theme": "dark"}
    assert user["app_metadata"] == {}
    assert good(await auto.user(session["access_token"]))["id"] == user["id"]


async def test_anonymous_people_can_be_kept_out(settings: Settings) -> None:
    async with running(settings) as project:
        answer = await project.post("signup")
        refused(answer, 422, "anonymous_provider_disabled", "Anonymous sign-ins are disabled")


WEAK = {
    "short": ("afterno", ["length"]),
    "common": ("password1", ["pwned"]),
}


@pytest.mark.parametrize(("password", "reasons"), WEAK.values(), ids=WEAK)
async def test_a_weak_password_is_refused_with_reasons(auto: Project, password: str, reasons: list[str]) -> None:
    body = refused(await auto.post("signup", {"email": new_email(), "password": password}), 422, "weak_password")
    assert body["weak_password"] == {"reasons": reasons}


@pytest.mark.parametrize("password", ["x" * 73, "\u00e9" * 37])
async def test_a_password_is_refused_rather_than_cut(auto: Project, password: str) -> None:
    body = refused(await auto.post("signup", {"email": new_email(), "password": password}), 400, "validation_failed")
    assert body.keys() == {"code", "error_code", "msg"}


async def test_the_shortest_password_is_a_setting(settings: Settings) -> None:
    async with running(settings, password_min_length=12, email_autoconfirm=True) as project:
        refused(await project.post("signup", {"email": new_email(), "password": "eleven char"}), 422, "weak_password")
        await project.sign_up(password="twelve chars")


BAD_FORMS: dict[str, dict[str, Any]] = {
    "no e-mail": {"email": "ada", "password": PASSWORD},
    "two at signs": {"email": "ada@example@com", "password": PASSWORD},
    "a line break": {"email": "ada@example.com\nBcc: eve@example.com", "password": PASSWORD},
    "too long": {"email": "a" * 250 + "@example.com", "password": PASSWORD},
    "a number": {"email": 7, "password": PASSWORD},
    "NUL in the password": {"email": "ada@example.com", "password": "a quiet\x00afternoon"},
    "half a character in the password": {"email": "ada@example.com", "password": "a quiet\ud800afternoon"},
    "a password that is none": {"email": "ada@example.com", "password": ["x"]},
    "metadata that is none": {"email": "ada@example.com", "password": PASSWORD, "data": "x"},
}


@pytest.mark.parametrize("form", BAD_FORMS.values(), ids=BAD_FORMS)
async def test_a_bad_form_is_refused(auto: Project, form: dict[str, Any]) -> None:
    refused(await auto.call("POST", "signup", content=json.dumps(form)), 400, "validation_failed")


@pytest.mark.parametrize("value", ["a\x00b", "\ud800"])
async def test_metadata_that_postgres_cannot_store_is_refused(auto: Project, value: str) -> None:
    form = {"email": new_email(), "password": PASSWORD, "data": {"name": value}}
    answer = await auto.call("POST", "signup", content=json.dumps(form))
    assert answer.status_code == 400, answer.text


@pytest.mark.parametrize("password", [None, ""])
async def test_an_email_needs_a_password(auto: Project, password: str | None) -> None:
    answer = await auto.post("signup", {"email": new_email(), "password": password})
    refused(answer, 422, "validation_failed", "Signup requires a valid password")


async def test_phones_are_disabled(auto: Project) -> None:
    answer = await auto.post("signup", {"phone": "+49151000000", "password": PASSWORD})
    refused(answer, 400, "phone_provider_disabled", "Phone signups are disabled")


async def test_nobody_gives_themselves_a_role(auto: Project) -> None:
    wanted: Json = {
        "role": "service_role",
        "app_metadata": {"role": "service_role"},
        "aud": "x",
        "is_super_admin": True,
    }
    user = (await auto.sign_up(**wanted, data=wanted))["user"]
    assert (user["role"], user["aud"]) == ("authenticated", "authenticated")
    assert user["app_metadata"] == {"provider": "email", "providers": ["email"]}


def _shape(value: Any) -> Any:
    """What can be told from an answer: which fields it has, how deep, of which types and lengths."""
    if isinstance(value, dict):
        return {name: _shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_shape(inner) for inner in value]
    return value if isinstance(value, bool | None) else type(value)
