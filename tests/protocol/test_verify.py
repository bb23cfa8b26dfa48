"""Redeeming: once, in time, by the right kind, and never by guessing."""

import asyncio
from hashlib import sha224, sha256
from uuid import UUID

import pytest
from sqlalchemy import text

from api_main.auth.one_time_tokens import TokenKind
from api_main.auth.service import AUTH_ADMIN
from tests.protocol.conftest import Admin
from tests.protocol.project import (
    SITE,
    Json,
    Project,
    code_in,
    fragment_of,
    good,
    link_in,
    new_email,
    refused,
    token_in,
)


@pytest.fixture
async def newcomer(confirming: Project) -> str:
    """The e-mail of somebody who has yet to confirm it."""
    email = new_email()
    await confirming.sign_up(email)
    return email


async def verify(project: Project, **form: str) -> Json:
    return good(await project.post("verify", form))


async def test_a_followed_link_leads_to_the_site_with_a_session(confirming: Project, newcomer: str) -> None:
    answer = await confirming.http.get(link_in(confirming.mails(newcomer)[0]))
    assert answer.headers["location"].startswith(f"{SITE}#")
    fragment = fragment_of(answer)
    assert fragment.keys() == {"access_token", "expires_at", "expires_in", "refresh_token", "token_type", "type"}
    assert fragment["type"] == "signup"
    assert good(await confirming.user(fragment["access_token"]))["email"] == newcomer


@pytest.mark.parametrize("how", ["followed", "posted", "typed in"])
async def test_of_ten_who_use_a_link_at_once_one_is_let_in(confirming: Project, newcomer: str, how: str) -> None:
    mail = confirming.mails(newcomer)[0]

    async def use() -> bool:
        if how == "followed":
            return "access_token" in fragment_of(await confirming.http.get(link_in(mail)))
        secret = {"token_hash": token_in(mail)} if how == "posted" else {"email": newcomer, "token": code_in(mail)}
        return (await confirming.post("verify", {"type": "signup", **secret})).is_success

    assert sorted(await asyncio.gather(*(use() for _ in range(10)))) == [*[False] * 9, True]


async def test_whoever_only_looks_does_not_use_a_link_up(confirming: Project, newcomer: str) -> None:
    link = link_in(confirming.mails(newcomer)[0])
    looked = await confirming.http.head(link)
    assert (looked.status_code, looked.headers["Allow"]) == (405, "GET, POST")
    assert "access_token" in fragment_of(await confirming.http.get(link))


async def test_a_link_works_once(confirming: Project, newcomer: str) -> None:
    link = link_in(confirming.mails(newcomer)[0])
    await confirming.http.get(link)
    again = fragment_of(await confirming.http.get(link))
    assert again == {
        "error": "access_denied",
        "error_code": "otp_expired",
        "error_description": "Token has expired or is invalid",
    }


@pytest.mark.parametrize("query", ["", "type=signup", "token=x", "type=nonsense&token=x", "type=signup&token=%00%ff"])
async def test_a_broken_link_leads_to_the_site_with_the_reason(confirming: Project, query: str) -> None:
    answer = await confirming.http.get(f"/auth/v1/verify?{query}")
    assert answer.headers["location"].startswith(f"{SITE}#")
    assert fragment_of(answer)["error_code"] in {"otp_expired", "validation_failed"}


async def test_a_link_expires(confirming: Project, newcomer: str, admin: Admin) -> None:
    age = "update auth.one_time_tokens set created_at = created_at - interval '{} s' where relates_to = %s"
    admin.execute(age.format(3605), (newcomer,))
    token = token_in(confirming.mails(newcomer)[0])
    refused(await confirming.post("verify", {"type": "signup", "token_hash": token}), 403, "otp_expired")
    admin.execute(age.format(-60), (newcomer,))
    await verify(confirming, type="signup", token_hash=token)


@pytest.mark.parametrize("kind", ["recovery", "magiclink", "email_change"])
async def test_a_link_is_good_for_its_own_kind_alone(confirming: Project, newcomer: str, kind: str) -> None:
    token = token_in(confirming.mails(newcomer)[0])
    refused(await confirming.post("verify", {"type": kind, "token_hash": token}), 403, "otp_expired")
    await verify(confirming, type="email", token_hash=token)


@pytest.mark.parametrize(
    "form",
    [{}, {"type": "sms", "token": "123456"}, {"type": "signup"}, {"type": "signup", "token": "123456"}],
)
async def test_an_incomplete_form_is_refused(confirming: Project, form: dict[str, str]) -> None:
    refused(await confirming.post("verify", form), 400, "validation_failed")


async def test_phones_are_disabled(confirming: Project) -> None:
    form = {"type": "sms", "phone": "+49151000000", "token": "123456"}
    refused(await confirming.post("verify", form), 400, "phone_provider_disabled")


async def test_a_code_is_good_for_its_own_email_alone(confirming: Project, newcomer: str) -> None:
    code = code_in(confirming.mails(newcomer)[0])
    form = {"type": "signup", "email": new_email(), "token": code}
    refused(await confirming.post("verify", form), 403, "otp_expired")
    await verify(confirming, type="signup", email=newcomer.upper(), token=code)


@pytest.mark.parametrize("kind", ["signup", "magiclink", "recovery", "email", "email_change"])
async def test_a_wrong_code_says_nothing_of_who_has_an_account(
    confirming: Project, newcomer: str, admin: Admin, kind: str
) -> None:
    banned = new_email()
    await confirming.sign_up(banned)
    admin.execute("update auth.users set banned_until = now() + interval '1 day' where email = %s", (banned,))
    bodies = [
        refused(await confirming.post("verify", {"type": kind, "email": email, "token": "x"}), 403, "otp_expired")
        for email in (newcomer, banned, new_email())
    ]
    assert bodies[0] == bodies[1] == bodies[2]


async def test_a_code_is_not_guessed_in_ten_tries(confirming: Project, newcomer: str) -> None:
    code = code_in(confirming.mails(newcomer)[0])
    wrong = f"{(int(code) + 1) % 10**6:06}"
    form = {"type": "signup", "email": newcomer, "token": wrong}
    for _ in range(10):
        refused(await confirming.post("verify", form), 403, "otp_expired")
    refused(await confirming.post("verify", {**form, "token": code}), 429, "over_request_rate_limit")


async def test_a_link_of_ones_own_forgets_nobody_elses_mistakes(confirming: Project, newcomer: str) -> None:
    form = {"type": "signup", "email": newcomer, "token": "x"}
    for _ in range(10):
        refused(await confirming.post("verify", form), 403, "otp_expired")
    own = new_email()
    await confirming.sign_up(own)
    await verify(confirming, type="signup", email=newcomer, token_hash=token_in(confirming.mails(own)[0]))
    refused(await confirming.post("verify", form), 429, "over_request_rate_limit")


async def test_a_link_cannot_be_made_out_of_a_code(confirming: Project, newcomer: str, admin: Admin) -> None:
    """A million codes are soon tried: what needs no key would open every account."""
    mail = confirming.mails(newcomer)[0]
    known = (newcomer + code_in(mail)).encode()
    for guess in (sha224(known), sha256(known)):
        form = {"type": "signup", "token_hash": guess.hexdigest()}
        refused(await confirming.post("verify", form), 403, "otp_expired")
    row = admin.execute("select token_hash from auth.one_time_tokens where relates_to = %s", (newcomer,)).fetchone()
    assert row is not None
    assert row[0] not in {token_in(mail), sha224(known).hexdigest(), sha256(known).hexdigest()}
    refused(await confirming.post("verify", {"type": "signup", "token_hash": row[0]}), 403, "otp_expired")


@pytest.mark.parametrize("change", ["banned_until = now() + interval '1 day'", "deleted_at = now()"])
async def test_whoever_may_not_sign_in_may_not_by_link(
    confirming: Project, newcomer: str, admin: Admin, change: str
) -> None:
    admin.execute(f"update auth.users set {change} where email = %s", (newcomer,))
    form = {"type": "signup", "token_hash": token_in(confirming.mails(newcomer)[0])}
    refused(await confirming.post("verify", form), 403, "otp_expired")
    admin.execute("update auth.users set banned_until = null, deleted_at = null where email = %s", (newcomer,))
    await verify(confirming, **form)  # it was not used up


async def test_two_tokens_that_happen_to_be_equal_are_no_error(confirming: Project, newcomer: str) -> None:
    tokens = confirming.app.state.links._tokens
    link = tokens.link(newcomer, code_in(confirming.mails(newcomer)[0]))
    async with confirming.app.state.database.session(AUTH_ADMIN) as session:
        original = await tokens.redeem(session, [TokenKind.CONFIRMATION], link)
        user_id: UUID = original.user_id
    async with confirming.app.state.database.session(AUTH_ADMIN) as session:
        for kind in (TokenKind.CONFIRMATION, TokenKind.RECOVERY):
            await tokens.issue(session, user_id, kind, newcomer)
    async with confirming.app.state.database.session(AUTH_ADMIN) as session:
        statement = text("update auth.one_time_tokens set token_hash = :hash where user_id = :id")
        await (await session.connection()).execute(
            statement, {"hash": sha256(link.encode()).hexdigest(), "id": user_id}
        )
    await verify(confirming, type="email", token_hash=link)
