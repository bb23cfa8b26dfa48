"""`POST /token`: passwords, and grants that are not offered."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conftest import NewPerson
from tests.protocol.conftest import Admin
from tests.protocol.project import PASSWORD, Json, Project, good, new_email, refused


async def test_a_password_begins_a_session(auto: Project, email: str, grace: Json) -> None:
    session = good(await auto.sign_in(email.upper()))
    assert session.keys() == grace.keys()
    assert session["user"]["id"] == grace["user"]["id"]
    assert session["user"]["last_sign_in_at"] > grace["user"]["last_sign_in_at"]


async def test_the_answer_says_nothing_of_who_has_an_account(auto: Project, email: str) -> None:
    answers = [await auto.sign_in(email, "wrong"), await auto.sign_in(new_email(), "wrong")]
    bodies = [refused(answer, 400, "invalid_credentials", "Invalid login credentials") for answer in answers]
    assert bodies[0] == bodies[1]
    assert answers[0].headers.keys() == answers[1].headers.keys()


async def test_a_ban_is_told_only_to_those_who_know_the_password(
    auto: Project, new_person: NewPerson, quick_hash: str
) -> None:
    tomorrow, now = datetime.now(UTC) + timedelta(days=1), datetime.now(UTC)
    banned = new_person(encrypted_password=quick_hash, banned_until=tomorrow, email_confirmed_at=now)
    refused(await auto.sign_in(banned.email, "wrong"), 400, "invalid_credentials")
    refused(await auto.sign_in(banned.email), 400, "user_banned", "User is banned")


async def test_a_deleted_account_is_an_unknown_one(auto: Project, new_person: NewPerson, quick_hash: str) -> None:
    now = datetime.now(UTC)
    gone = new_person(encrypted_password=quick_hash, deleted_at=now, email_confirmed_at=now)
    refused(await auto.sign_in(gone.email), 400, "invalid_credentials")


INCOMPLETE: list[dict[str, Any]] = [{}, {"email": "ada@example.com"}, {"password": PASSWORD}, {"email": None}]


@pytest.mark.parametrize("form", INCOMPLETE)
async def test_without_email_and_password_nobody_is_known(auto: Project, form: dict[str, Any]) -> None:
    refused(await auto.post("token?grant_type=password", form), 400, "invalid_credentials")


@pytest.mark.parametrize("form", [{}, {"refresh_token": ""}, {"refresh_token": None}, {"refresh_token": "x" * 200}])
async def test_without_a_refresh_token_none_is_found(auto: Project, form: dict[str, Any]) -> None:
    refused(await auto.post("token?grant_type=refresh_token", form), 400, "refresh_token_not_found")


@pytest.mark.parametrize("query", ["", "?grant_type=", "?grant_type=authorization_code", "?grant_type=PASSWORD"])
async def test_an_unknown_grant_is_refused(auto: Project, query: str) -> None:
    form = {"email": "ada@example.com", "password": PASSWORD}
    refused(await auto.post(f"token{query}", form), 400, "validation_failed", "unsupported_grant_type")


OFF = {
    "id_token": (400, "provider_disabled"),
    "web3": (422, "web3_provider_disabled"),
}


@pytest.mark.parametrize("grant", OFF)
async def test_a_grant_that_is_not_offered_says_so(auto: Project, grant: str) -> None:
    refused(await auto.post(f"token?grant_type={grant}", {"auth_code": "x"}), *OFF[grant])


async def test_phones_cannot_sign_in(auto: Project) -> None:
    answer = await auto.post("token?grant_type=password", {"phone": "+49151000000", "password": PASSWORD})
    refused(answer, 422, "phone_provider_disabled", "Phone logins are disabled")


async def test_guessing_ends_after_ten_tries(auto: Project) -> None:
    email = new_email()
    for _ in range(10):
        refused(await auto.sign_in(email, "wrong"), 400, "invalid_credentials")
    answer = await auto.sign_in(email, "wrong")
    refused(answer, 429, "over_request_rate_limit")
    assert int(answer.headers["Retry-After"]) > 0


async def test_no_key_no_bearer_or_any_bearer_is_no_error_where_no_user_is_needed(auto: Project, email: str) -> None:
    form = {"email": email, "password": PASSWORD}
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"apikey": auto.publishable}):
        answer = await auto.http.post("/auth/v1/token?grant_type=password", json=form, headers=headers)
        good(answer)


async def test_the_rows_of_a_session_are_those_of_supabase_auth(auto: Project, email: str, admin: Admin) -> None:
    session = good(await auto.sign_in(email))
    rows = admin.execute(
        "select s.aal::text, s.refresh_token_counter, s.not_after, m.authentication_method, s.user_agent is not null"
        " from auth.sessions s join auth.mfa_amr_claims m on m.session_id = s.id"
        " where s.user_id = %s order by s.created_at desc limit 1",
        (session["user"]["id"],),
    ).fetchone()
    assert rows == ("aal1", 0, None, "password", True)
