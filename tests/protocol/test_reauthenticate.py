"""Where a password change needs somebody fresh: a session of today, or a code by mail."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from api_main.core.settings import Settings
from tests.protocol.conftest import Admin
from tests.protocol.project import Json, Project, code_in, good, new_email, refused, running

NEW = "another afternoon"


@pytest.fixture(scope="module")
async def careful(settings: Settings) -> AsyncIterator[Project]:
    changes = {"password_change_needs_reauthentication": True, "email_autoconfirm": True}
    async with running(settings, **changes, anonymous_users_enabled=True) as project:
        yield project


@pytest.fixture
async def stale(careful: Project, admin: Admin) -> Json:
    """A session that was begun the day before yesterday."""
    session = await careful.sign_up()
    age = "update auth.sessions set created_at = now() - interval '2 days' where user_id = %s"
    admin.execute(age, (session["user"]["id"],))
    return session


async def test_a_fresh_session_needs_no_code(careful: Project) -> None:
    session = await careful.sign_up()
    good(await careful.change(session["access_token"], password=NEW))


async def test_a_stale_session_needs_a_code_by_mail(careful: Project, stale: Json) -> None:
    token, email = stale["access_token"], stale["user"]["email"]
    refused(await careful.change(token, password=NEW), 400, "reauthentication_needed")
    refused(await careful.change(token, password=NEW, nonce="000000"), 422, "reauthentication_not_valid")
    refused(await careful.sign_in(email, NEW), 400, "invalid_credentials")
    assert good(await careful.call("GET", "reauthenticate", token=token)) == {}
    [mail] = careful.mails(email)
    nonce = code_in(mail)
    user = good(await careful.change(token, password=NEW, nonce=nonce))
    assert user["reauthentication_sent_at"]
    good(await careful.sign_in(email, NEW))
    answer = await careful.change(token, password="a third afternoon", nonce=nonce)
    refused(answer, 422, "reauthentication_not_valid", "Nonce has expired or is invalid")


async def test_metadata_needs_no_code(careful: Project, stale: Json) -> None:
    good(await careful.change(stale["access_token"], data={"theme": "dark"}))


async def test_a_code_is_not_guessed_in_ten_tries(careful: Project, stale: Json) -> None:
    token = stale["access_token"]
    for _ in range(10):
        refused(await careful.change(token, password=NEW, nonce="x"), 422, "reauthentication_not_valid")
    refused(await careful.change(token, password=NEW, nonce="x"), 429, "over_request_rate_limit")


async def test_a_code_of_somebody_else_is_no_good(careful: Project, stale: Json) -> None:
    other = await careful.sign_up()
    good(await careful.call("GET", "reauthenticate", token=other["access_token"]))
    nonce = code_in(careful.mails(other["user"]["email"])[0])
    answer = await careful.change(stale["access_token"], password=NEW, nonce=nonce)
    refused(answer, 422, "reauthentication_not_valid")


async def test_a_code_goes_to_the_accounts_present_email(careful: Project, stale: Json, admin: Admin) -> None:
    moved, former = new_email(), stale["user"]["email"]
    admin.execute("update auth.users set email = %s where email = %s", (moved, former))
    await careful.sign_up(former)  # somebody else has it now, and the token still names it
    good(await careful.call("GET", "reauthenticate", token=stale["access_token"]))
    assert (len(careful.mails(moved)), careful.mails(former)) == (1, [])


async def test_within_the_interval_nobody_gets_another_code(settings: Settings, admin: Admin) -> None:
    async with running(settings, mail_interval_seconds=60, email_autoconfirm=True) as patient:
        session = await patient.sign_up()
        token, email = session["access_token"], session["user"]["email"]
        good(await patient.call("GET", "reauthenticate", token=token))
        refused(await patient.call("GET", "reauthenticate", token=token), 429, "over_email_send_rate_limit")
        await patient.app.state.links.send_reauthentication(UUID(session["user"]["id"]))  # two asked at once
        assert len(patient.mails(email)) == 1
        age = "update auth.one_time_tokens set created_at = created_at - interval '61 s' where user_id = %s"
        admin.execute(age, (session["user"]["id"],))
        good(await patient.call("GET", "reauthenticate", token=token))
        assert len(patient.mails(email)) == 2


async def test_nobody_without_a_session_or_an_email_gets_a_code(careful: Project) -> None:
    refused(await careful.http.get("/auth/v1/reauthenticate"), 401, "no_authorization")
    session = await careful.sign_up_anonymously()
    refused(await careful.call("GET", "reauthenticate", token=session["access_token"]), 422, "validation_failed")
