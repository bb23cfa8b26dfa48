"""Asking for links and codes: everybody gets the same answer, and only those with an account get mail."""

from typing import Any

import pytest

from api_main.core.settings import Settings
from tests.protocol.conftest import Admin
from tests.protocol.project import Json, Project, code_in, good, new_email, refused, running, token_in

ENDPOINTS: dict[str, dict[str, Any]] = {
    "recover": {},
    "otp": {"create_user": True},
    "magiclink": {},
    "resend": {"type": "signup"},
}


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize("change", ["banned_until = now() + interval '1 day'", "deleted_at = now()"])
async def test_a_banned_or_deleted_account_gets_the_answer_of_an_unknown_one(
    confirming: Project, admin: Admin, path: str, change: str
) -> None:
    known, unknown = new_email(), new_email()
    await confirming.sign_up(known)
    admin.execute(f"update auth.users set {change} where email = %s", (known,))
    answers = [await confirming.post(path, {"email": email, **ENDPOINTS[path]}) for email in (known, unknown)]
    assert [good(answer) for answer in answers] == [{}, {}]
    assert answers[0].headers.keys() == answers[1].headers.keys()


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_a_known_email_gets_the_answer_of_an_unknown_one(confirming: Project, path: str) -> None:
    known, unknown = new_email(), new_email()
    await confirming.sign_up(known)
    before = len(confirming.mails(known))
    answers = [await confirming.post(path, {"email": email, **ENDPOINTS[path]}) for email in (known, unknown)]
    assert [good(answer) for answer in answers] == [{}, {}]
    assert answers[0].headers.keys() == answers[1].headers.keys()
    assert len(confirming.mails(known)) == before + 1
    creates = path in {"otp", "magiclink"}
    assert len(confirming.mails(unknown)) == int(creates)


async def test_a_magic_link_makes_an_account_and_signs_it_in(confirming: Project) -> None:
    email = new_email()
    good(await confirming.post("otp", {"email": email, "data": {"full_name": "Ada"}}))
    form = {"type": "email", "email": email, "token": code_in(confirming.mails(email)[0])}
    user = good(await confirming.post("verify", form))["user"]
    assert user["user_metadata"] == {"full_name": "Ada"}
    assert user["email_confirmed_at"]
    refused(await confirming.sign_in(email), 400, "invalid_credentials")  # it has no password


async def test_whoever_wants_no_new_account_hears_that_there_is_none(confirming: Project) -> None:
    email = new_email()
    form = {"email": email, "create_user": False}
    refused(await confirming.post("otp", form), 422, "otp_disabled", "Signups not allowed for otp")
    await confirming.sign_up(email)
    assert good(await confirming.post("otp", form)) == {}


async def test_a_password_of_somebody_who_never_confirmed_opens_nothing_for_them(confirming: Project) -> None:
    victims = new_email()
    await confirming.sign_up(victims)  # by somebody else, who hopes
    good(await confirming.post("otp", {"email": victims}))
    form = {"type": "magiclink", "token_hash": token_in(confirming.mails(victims)[0])}
    good(await confirming.post("verify", form))
    refused(await confirming.sign_in(victims), 400, "invalid_credentials")


async def test_a_recovery_opens_the_account_for_a_new_password(confirming: Project) -> None:
    email = new_email()
    await confirming.sign_up(email)
    good(await confirming.post("verify", {"type": "signup", "token_hash": token_in(confirming.mails(email)[0])}))
    good(await confirming.post("recover", {"email": email}))
    form = {"type": "recovery", "token_hash": token_in(confirming.mails(email)[0])}
    session = good(await confirming.post("verify", form))
    assert session["user"]["recovery_sent_at"]
    good(await confirming.change(session["access_token"], password="another afternoon"))
    good(await confirming.sign_in(email, "another afternoon"))


async def test_within_the_interval_nobody_gets_another_mail(settings: Settings, admin: Admin) -> None:
    async with running(settings, mail_interval_seconds=60) as patient:
        email = new_email()
        user = await patient.sign_up(email)
        for _ in range(3):
            good(await patient.post("resend", {"type": "signup", "email": email}))
        assert len(patient.mails(email)) == 1
        good(await patient.post("recover", {"email": email}))  # of another kind
        assert len(patient.mails(email)) == 2
        age = "update auth.one_time_tokens set created_at = created_at - interval '61 s' where user_id = %s"
        admin.execute(age, (user["id"],))
        good(await patient.post("resend", {"type": "signup", "email": email}))
        assert len(patient.mails(email)) == 3


async def test_a_database_elsewhere_counts_the_same_seconds(settings: Settings, admin: Admin) -> None:
    admin.execute("alter role api_main set timezone = 'Pacific/Kiritimati'")
    try:
        async with running(settings, one_time_token_seconds=60, mail_interval_seconds=60) as project:
            email = new_email()
            await project.sign_up(email)
            good(await project.post("resend", {"type": "signup", "email": email}))
            [mail] = project.mails(email)
            session = good(await project.post("verify", {"type": "signup", "token_hash": token_in(mail)}))
            good(await project.refresh(session["refresh_token"]))
    finally:
        admin.execute("alter role api_main reset timezone")


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_an_email_is_needed_and_phones_are_disabled(confirming: Project, path: str) -> None:
    refused(await confirming.post(path, ENDPOINTS[path]), 400, "validation_failed")
    answer = await confirming.post(path, {"phone": "+49151000000", **ENDPOINTS[path]})
    refused(answer, 400, "phone_provider_disabled", "Phone provider is disabled")


@pytest.mark.parametrize(
    ("kind", "code"),
    [("sms", "phone_provider_disabled"), ("phone_change", "phone_provider_disabled"), ("", "validation_failed")],
)
async def test_only_some_mails_are_sent_again(confirming: Project, kind: str, code: str) -> None:
    refused(await confirming.post("resend", {"type": kind, "email": new_email()}), 400, code)


async def test_a_confirmed_account_is_not_asked_to_confirm_again(auto: Project, grace: Json, email: str) -> None:
    good(await auto.post("resend", {"type": "signup", "email": email}))
    assert auto.mails(email) == []
