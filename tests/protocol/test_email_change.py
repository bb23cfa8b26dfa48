"""A new e-mail takes effect when it is confirmed: by both, where set so, and never by links for another one."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from api_main.core.settings import Settings
from tests.protocol.conftest import Admin
from tests.protocol.project import (
    PASSWORD,
    Json,
    Project,
    code_in,
    fragment_of,
    good,
    link_in,
    new_email,
    refused,
    running,
    token_in,
)

ACCEPTED = "Confirmation link accepted. Please proceed to confirm link sent to the other email"


@pytest.fixture(scope="session")
async def single(settings: Settings) -> AsyncIterator[Project]:
    """A project where the new e-mail alone has to confirm."""
    async with running(settings, email_change_confirms_both=False, email_autoconfirm=True) as project:
        yield project


async def redeem(project: Project, token: str) -> Json:
    return good(await project.post("verify", {"type": "email_change", "token_hash": token}))


@pytest.mark.parametrize("first", ["old", "new"])
async def test_both_emails_confirm_in_any_order(auto: Project, grace: Json, email: str, first: str) -> None:
    wanted = new_email()
    user = good(await auto.change(grace["access_token"], email=wanted.upper()))
    assert (user["email"], user["new_email"]) == (email, wanted)
    mails = [auto.mails(wanted)[0], auto.mails(email)[0]]
    assert all(wanted in mail.html and email in mail.html for mail in mails)
    tokens = [token_in(mail) for mail in (mails if first == "new" else reversed(mails))]
    assert await redeem(auto, tokens[0]) == {"msg": ACCEPTED, "code": "200"}
    assert good(await auto.user(grace["access_token"]))["email"] == email
    refused(await auto.post("verify", {"type": "email_change", "token_hash": tokens[0]}), 403, "otp_expired")
    changed = (await redeem(auto, tokens[1]))["user"]
    assert (changed["email"], "new_email" in changed) == (wanted, False)
    data = {"sub": changed["id"], "email": wanted, "email_verified": True, "phone_verified": False}
    assert changed["identities"][0]["identity_data"] == data
    good(await auto.sign_in(wanted))
    refused(await auto.sign_in(email), 400, "invalid_credentials")


async def test_codes_confirm_as_links_do(auto: Project, grace: Json, email: str) -> None:
    wanted = new_email()
    good(await auto.change(grace["access_token"], email=wanted))
    for address in (email, wanted):
        form = {"type": "email_change", "email": address, "token": code_in(auto.mails(address)[0])}
        answer = good(await auto.post("verify", form))
    assert answer["user"]["email"] == wanted


async def test_a_followed_link_says_that_the_other_is_needed(auto: Project, grace: Json) -> None:
    wanted = new_email()
    good(await auto.change(grace["access_token"], email=wanted))
    answer = await auto.http.get(link_in(auto.mails(wanted)[0]))
    assert fragment_of(answer) == {"message": ACCEPTED}


async def test_where_set_so_the_new_email_confirms_alone(single: Project) -> None:
    email, wanted = new_email(), new_email()
    session = await single.sign_up(email)
    good(await single.change(session["access_token"], email=wanted))
    assert single.mails(email) == []
    assert (await redeem(single, token_in(single.mails(wanted)[0])))["user"]["email"] == wanted


async def test_a_link_for_one_email_never_confirms_another(single: Project) -> None:
    own, victims = new_email(), new_email()
    session = await single.sign_up()
    good(await single.change(session["access_token"], email=own))
    good(await single.change(session["access_token"], email=victims))
    answer = await single.post("verify", {"type": "email_change", "token_hash": token_in(single.mails(own)[0])})
    refused(answer, 403, "otp_expired")


async def test_a_link_that_outlives_the_change_it_was_for_confirms_nothing(single: Project, admin: Admin) -> None:
    wanted = new_email()
    session = await single.sign_up()
    good(await single.change(session["access_token"], email=wanted))
    token = token_in(single.mails(wanted)[0])
    for stored in ("", new_email()):
        admin.execute("update auth.users set email_change = %s where id = %s", (stored, session["user"]["id"]))
        answer = await single.post("verify", {"type": "email_change", "token_hash": token})
        refused(answer, 403, "otp_expired")


async def test_one_side_cannot_confirm_twice_by_asking_for_another_mail(auto: Project, grace: Json, email: str) -> None:
    wanted = new_email()
    good(await auto.change(grace["access_token"], email=wanted))
    assert "msg" in await redeem(auto, token_in(auto.mails(wanted)[0]))
    good(await auto.post("resend", {"type": "email_change", "email": wanted}))
    assert "msg" in await redeem(auto, token_in(auto.mails(wanted)[0]))
    assert good(await auto.user(grace["access_token"]))["email"] == email


async def test_of_two_accounts_that_want_one_email_each_gets_its_own_links(auto: Project, grace: Json) -> None:
    wanted, second_email = new_email(), new_email()
    second = await auto.sign_up(second_email)
    good(await auto.change(second["access_token"], email=wanted))
    good(await auto.change(grace["access_token"], email=wanted))  # the latest to want it
    good(await auto.post("resend", {"type": "email_change", "email": second_email}))
    await redeem(auto, token_in(auto.mails(second_email)[0]))
    await redeem(auto, token_in(auto.mails(wanted)[0]))
    assert good(await auto.user(second["access_token"]))["email"] == wanted
    assert good(await auto.user(grace["access_token"]))["email"] != wanted


async def test_whoever_confirms_a_taken_email_last_is_told(single: Project) -> None:
    wanted = new_email()
    sessions = [await single.sign_up() for _ in range(2)]
    tokens = []
    for session in sessions:
        good(await single.change(session["access_token"], email=wanted))
        tokens.append(token_in(single.mails(wanted)[0]))
    await redeem(single, tokens[0])
    refused(await single.post("verify", {"type": "email_change", "token_hash": tokens[1]}), 422, "email_exists")
    followed = await single.http.get(f"/auth/v1/verify?type=email_change&token={tokens[1]}")
    assert fragment_of(followed)["error_code"] == "email_exists"


async def test_an_email_that_has_an_account_is_refused(auto: Project, grace: Json, email: str) -> None:
    other = await auto.sign_up()
    answer = await auto.change(other["access_token"], email=email.title())
    refused(answer, 422, "email_exists", "A user with this email address has already been registered")
    user = good(await auto.change(grace["access_token"], email=email))
    assert "new_email" not in user


async def test_an_anonymous_account_becomes_a_permanent_one(auto: Project) -> None:
    session, wanted = await auto.sign_up_anonymously(), new_email()
    token = session["access_token"]
    user = good(await auto.change(token, email=wanted, password=PASSWORD))
    assert (user["email"], user["is_anonymous"]) == (wanted, False)
    assert user["app_metadata"] == {"provider": "email", "providers": ["email"]}
    assert [identity["provider"] for identity in user["identities"]] == ["email"]
    assert good(await auto.sign_in(wanted))["user"]["id"] == session["user"]["id"]
    good(await auto.change(token, password="another afternoon"))  # the token still says `is_anonymous`


async def test_without_auto_confirm_an_anonymous_account_confirms_first(confirming: Project) -> None:
    session, wanted = await confirming.sign_up_anonymously(), new_email()
    user = good(await confirming.change(session["access_token"], email=wanted))
    assert (user["email"], user["new_email"], user["is_anonymous"]) == ("", wanted, True)
    [mail] = confirming.mails(wanted)
    assert (await redeem(confirming, token_in(mail)))["user"]["is_anonymous"] is False


async def test_of_two_anonymous_accounts_that_take_one_email_at_once_one_gets_it(auto: Project) -> None:
    wanted = new_email()
    sessions = [await auto.sign_up_anonymously() for _ in range(4)]
    answers = await asyncio.gather(*(auto.change(session["access_token"], email=wanted) for session in sessions))
    assert sorted(answer.status_code for answer in answers) == [200, 422, 422, 422]


async def test_within_the_interval_nobody_wants_another_email(settings: Settings, admin: Admin) -> None:
    async with running(settings, mail_interval_seconds=60, email_autoconfirm=True) as patient:
        first, second = new_email(), new_email()
        session = await patient.sign_up()
        token, own = session["access_token"], session["user"]["email"]
        good(await patient.change(token, email=first))
        for wanted in (first, second):
            answer = await patient.change(token, email=wanted, data={"theme": "dark"})
            refused(answer, 429, "over_email_send_rate_limit")
            assert answer.json()["msg"].startswith("For security purposes, you can only request this after ")
            assert 0 < int(answer.headers["Retry-After"]) <= 60
        good(await patient.change(token, email=own))  # nothing to confirm
        user = good(await patient.user(token))
        assert (user["new_email"], user["user_metadata"]) == (first, {})
        assert (len(patient.mails(first)), patient.mails(second)) == (1, [])
        age = "update auth.users set email_change_sent_at = email_change_sent_at - interval '61 s' where id = %s"
        admin.execute(age, (user["id"],))
        good(await patient.change(token, email=second))
        assert len(patient.mails(second)) == 1


async def test_of_two_changes_at_once_one_is_mailed(settings: Settings) -> None:
    async with running(settings, mail_interval_seconds=60, email_autoconfirm=True) as patient:
        session, wanted = await patient.sign_up(), [new_email() for _ in range(5)]
        answers = await asyncio.gather(*(patient.change(session["access_token"], email=email) for email in wanted))
        assert sorted(answer.status_code for answer in answers) == [200, *[429] * 4]
        assert sum(len(patient.mails(email)) for email in wanted) == 1


async def test_a_change_is_mailed_again_on_request(auto: Project, grace: Json, email: str) -> None:
    wanted = new_email()
    good(await auto.change(grace["access_token"], email=wanted))
    for address in (email, wanted, new_email()):
        assert good(await auto.post("resend", {"type": "email_change", "email": address})) == {}
    assert (len(auto.mails(email)), len(auto.mails(wanted))) == (3, 3)


async def test_without_a_change_there_is_nothing_to_mail_again(auto: Project, grace: Json, email: str) -> None:
    good(await auto.post("resend", {"type": "email_change", "email": email}))
    assert auto.mails(email) == []
