"""Sessions: one lineage of refresh tokens each, ended by time, reuse, ban or deletion."""

import asyncio

import pytest

from api_main.auth.refresh_tokens import RefreshToken
from api_main.core.settings import Settings
from tests.protocol.conftest import Admin
from tests.protocol.project import Json, Project, claims_of, good, new_email, refused, running, token_in


async def refreshed(project: Project, session: Json, times: int = 1) -> Json:
    for _ in range(times):
        session = good(await project.refresh(session["refresh_token"]))
    return session


def ago(admin: Admin, session: Json, column: str, seconds: int) -> None:
    change = f"update auth.sessions set {column} = {column} - %s * interval '1 s' where id = %s"
    admin.execute(change, (seconds, claims_of(session)["session_id"]))


async def test_a_refresh_gives_the_next_token_of_the_same_session(auto: Project, grace: Json) -> None:
    after = await refreshed(auto, grace)
    assert after.keys() == grace.keys()
    assert after["refresh_token"] != grace["refresh_token"]
    before, now = claims_of(grace), claims_of(after)
    assert now["session_id"] == before["session_id"]
    assert now["amr"] == before["amr"]


async def test_twenty_refreshes_at_once_leave_one_lineage(auto: Project, grace: Json) -> None:
    answers = await asyncio.gather(*(auto.refresh(grace["refresh_token"]) for _ in range(20)))
    tokens = {good(answer)["refresh_token"] for answer in answers}
    [token] = tokens
    assert RefreshToken.parse(token).counter == 1
    assert RefreshToken.parse(good(await auto.refresh(token))["refresh_token"]).counter == 2


async def test_the_parent_gives_the_active_token_at_any_time(auto: Project, grace: Json, admin: Admin) -> None:
    active = await refreshed(auto, grace)
    ago(admin, grace, "refreshed_at", 86400)
    assert good(await auto.refresh(grace["refresh_token"]))["refresh_token"] == active["refresh_token"]
    await refreshed(auto, active)


async def test_older_tokens_are_forgiven_for_ten_seconds(auto: Project, grace: Json, admin: Admin) -> None:
    active = await refreshed(auto, grace, times=3)
    ago(admin, grace, "refreshed_at", 8)
    assert good(await auto.refresh(grace["refresh_token"]))["refresh_token"] == active["refresh_token"]


async def test_after_that_a_reuse_ends_the_session_for_everybody(auto: Project, grace: Json, admin: Admin) -> None:
    active = await refreshed(auto, grace, times=3)
    ago(admin, grace, "refreshed_at", 11)
    answer = await auto.refresh(grace["refresh_token"])
    refused(answer, 400, "refresh_token_already_used", "Invalid Refresh Token: Already Used")
    refused(await auto.refresh(active["refresh_token"]), 400, "refresh_token_not_found")
    refused(await auto.user(active["access_token"]), 403, "session_not_found")


async def test_a_session_that_never_was_refreshed_forgives_nothing(auto: Project, grace: Json, admin: Admin) -> None:
    count = "update auth.sessions set refresh_token_counter = 5 where id = %s"
    admin.execute(count, (claims_of(grace)["session_id"],))
    refused(await auto.refresh(grace["refresh_token"]), 400, "refresh_token_already_used")


async def test_the_interval_is_a_setting(settings: Settings, admin: Admin) -> None:
    async with running(settings, refresh_reuse_seconds=0, email_autoconfirm=True) as strict:
        session = await strict.sign_up()
        await refreshed(strict, session, times=2)
        refused(await strict.refresh(session["refresh_token"]), 400, "refresh_token_already_used")


@pytest.mark.parametrize(
    ("limit", "column"), [("session_max_seconds", "created_at"), ("session_idle_seconds", "refreshed_at")]
)
async def test_a_session_is_over_when_its_time_is(settings: Settings, admin: Admin, limit: str, column: str) -> None:
    async with running(settings, **{limit: 3600}, email_autoconfirm=True) as limited:
        session = await refreshed(limited, await limited.sign_up())
        ago(admin, session, column, 3590)
        session = await refreshed(limited, session)
        ago(admin, session, column, 3610)
        refused(await limited.user(session["access_token"]), 403, "session_not_found")
        answer = await limited.refresh(session["refresh_token"])
        refused(answer, 400, "session_expired", "Invalid Refresh Token: Session Expired")


async def test_a_session_that_was_never_refreshed_rests_since_it_began(settings: Settings, admin: Admin) -> None:
    async with running(settings, session_idle_seconds=60, email_autoconfirm=True) as limited:
        session = await limited.sign_up()
        ago(admin, session, "created_at", 70)
        refused(await limited.refresh(session["refresh_token"]), 400, "session_expired")


async def test_a_session_ends_at_its_set_time(auto: Project, grace: Json, admin: Admin) -> None:
    admin.execute("update auth.sessions set not_after = now() where id = %s", (claims_of(grace)["session_id"],))
    refused(await auto.refresh(grace["refresh_token"]), 400, "session_expired")


async def test_a_banned_account_is_not_refreshed(auto: Project, grace: Json, admin: Admin) -> None:
    user_id = grace["user"]["id"]
    admin.execute("update auth.users set banned_until = now() + interval '1 h' where id = %s", (user_id,))
    answer = await auto.refresh(grace["refresh_token"])
    refused(answer, 400, "user_banned", "Invalid Refresh Token: User Banned")
    admin.execute("update auth.users set banned_until = now() where id = %s", (user_id,))
    await refreshed(auto, grace)


async def test_a_deleted_account_is_not_refreshed(auto: Project, grace: Json, admin: Admin) -> None:
    admin.execute("delete from auth.users where id = %s", (grace["user"]["id"],))
    refused(await auto.refresh(grace["refresh_token"]), 400, "refresh_token_not_found")


async def test_a_token_is_signed_by_its_session(auto: Project, grace: Json, admin: Admin) -> None:
    other = await auto.sign_up()
    mine, theirs = (RefreshToken.parse(session["refresh_token"]) for session in (grace, other))
    row = admin.execute("select refresh_token_hmac_key from auth.sessions where id = %s", (mine.session,)).fetchone()
    assert row is not None
    forged = RefreshToken.issue(theirs.session, 0, row[0])
    refused(await auto.refresh(forged), 400, "refresh_token_not_found")
    await refreshed(auto, other)


async def test_nothing_that_could_be_replayed_is_stored(auto: Project, grace: Json, admin: Admin) -> None:
    rows = admin.execute("select to_jsonb(s)::text from auth.sessions s").fetchall()
    assert not any(grace["refresh_token"] in row[0] for row in rows)


@pytest.mark.parametrize("method", ["password", "anonymous", "otp"])
async def test_the_token_says_how_its_session_was_begun(auto: Project, email: str, method: str) -> None:
    match method:
        case "password":
            session = good(await auto.sign_in(email))
        case "anonymous":
            session = await auto.sign_up_anonymously()
        case _:
            address = new_email()
            await auto.post("otp", {"email": address})
            form = {"type": "magiclink", "token_hash": token_in(auto.mails(address)[0])}
            session = good(await auto.post("verify", form))
    [how] = claims_of(await refreshed(auto, session))["amr"]
    assert how["method"] == method
    assert abs(how["timestamp"] - claims_of(session)["iat"]) <= 60
