"""`/admin/users`: list, create, read, change, ban, delete."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.protocol.conftest import Admin
from tests.protocol.project import PASSWORD, Json, Project, good, new_email, refused

NOBODY = "6f1c5e0a-0d0c-4a53-9c1b-2f0c6f3a7b11"


async def create(project: Project, **form: Any) -> Json:
    return good(await project.administer("POST", "users", json={"email": new_email(), **form}))


async def change(project: Project, user: Json, **form: Any) -> Json:
    return good(await project.administer("PUT", f"users/{user['id']}", json=form))


async def test_accounts_are_listed_in_pages_with_links(auto: Project) -> None:
    mark = uuid4().hex
    made = [await create(auto, email=f"{number}.{mark}@example.com") for number in range(5)]
    path = f"users?filter={mark}&per_page=2"
    first, last = await auto.administer("GET", f"{path}&page=1"), await auto.administer("GET", f"{path}&page=3")
    assert good(first)["aud"] == "authenticated"
    assert [user["id"] for user in good(first)["users"]] == [made[4]["id"], made[3]["id"]]
    assert [user["id"] for user in good(last)["users"]] == [made[0]["id"]]
    assert first.headers["X-Total-Count"] == last.headers["X-Total-Count"] == "5"
    base = "</auth/v1/admin/users?page"
    assert first.headers["Link"] == f'{base}=2&per_page=2>; rel="next", {base}=3&per_page=2>; rel="last"'
    assert last.headers["Link"] == f'{base}=3&per_page=2>; rel="last"'
    beyond = await auto.administer("GET", f"{path}&page=9")
    assert good(beyond)["users"] == []


async def test_a_filter_finds_emails_and_names_and_takes_no_wildcards(auto: Project) -> None:
    mark = uuid4().hex
    user = await create(auto, user_metadata={"full_name": f"Ada {mark.upper()}"})
    for words in (mark, f"ada {mark}", user["email"][:20]):
        answer = good(await auto.administer("GET", "users", params={"filter": words}))
        assert [found["id"] for found in answer["users"]] == [user["id"]]
    for words in (f"{mark}%", f"%{mark}", "_" * 40, uuid4().hex):
        assert good(await auto.administer("GET", "users", params={"filter": words}))["users"] == []


@pytest.mark.parametrize(
    "query",
    ["page=0", "page=x", "per_page=0", "per_page=1001", "page=99999999999", "filter=%00", f"filter={'x' * 256}"],
)
async def test_a_bad_page_is_refused(auto: Project, query: str) -> None:
    refused(await auto.administer("GET", f"users?{query}"), 400, "validation_failed")


async def test_an_account_is_created_as_it_is_described(auto: Project) -> None:
    email = new_email()
    user = await create(
        auto,
        email=email.upper(),
        password=PASSWORD,
        email_confirm=True,
        role="authenticated",
        user_metadata={"full_name": "Ada", "gone": None},
        app_metadata={"team": "red"},
        ban_duration="none",
    )
    assert (user["email"], user["role"], "banned_until" in user) == (email, "authenticated", False)
    assert user["user_metadata"] == {"full_name": "Ada"}
    assert user["app_metadata"] == {"provider": "email", "providers": ["email"], "team": "red"}
    assert [identity["identity_data"]["email_verified"] for identity in user["identities"]] == [True]
    assert good(await auto.administer("GET", f"users/{user['id']}")) == user
    assert good(await auto.sign_in(email))["user"]["id"] == user["id"]


async def test_without_confirmation_or_password_nobody_signs_in(confirming: Project) -> None:
    pending = await create(confirming, password=PASSWORD)
    assert "email_confirmed_at" not in pending
    refused(await confirming.sign_in(pending["email"]), 400, "email_not_confirmed")
    bare = await create(confirming, email_confirm=True)
    refused(await confirming.sign_in(bare["email"]), 400, "invalid_credentials")
    confirmed = await change(confirming, pending, email_confirm=True)
    assert confirmed["identities"][0]["identity_data"]["email_verified"] is True
    session = good(await confirming.sign_in(pending["email"]))
    again = await change(confirming, pending, email_confirm=True)
    assert again["email_confirmed_at"] == confirmed["email_confirmed_at"] == session["user"]["email_confirmed_at"]


BAD: dict[str, tuple[Json, int, str]] = {
    "no e-mail": ({"email": None}, 400, "validation_failed"),
    "no e-mail but a phone": ({"email": None, "phone": "+49151000000"}, 400, "validation_failed"),
    "a bad e-mail": ({"email": "ada"}, 400, "validation_failed"),
    "a weak password": ({"password": "short"}, 422, "weak_password"),
    "a long password": ({"password": "x" * 73}, 400, "validation_failed"),
    "a bad ban": ({"ban_duration": "1 day"}, 400, "validation_failed"),
    "a role that no token may name": ({"role": "editor"}, 400, "validation_failed"),
    "a role beyond all users": ({"role": "service_role"}, 400, "validation_failed"),
    "bad metadata": ({"user_metadata": []}, 400, "validation_failed"),
}


@pytest.mark.parametrize(("form", "status", "code"), BAD.values(), ids=BAD)
async def test_a_bad_description_makes_nothing(auto: Project, form: Json, status: int, code: str) -> None:
    refused(await auto.administer("POST", "users", json={"email": new_email(), **form}), status, code)


async def test_a_taken_email_is_refused_for_old_and_new_accounts(auto: Project, email: str) -> None:
    refused(await auto.administer("POST", "users", json={"email": email}), 422, "email_exists")
    other = await create(auto)
    answer = await auto.administer("PUT", f"users/{other['id']}", json={"email": email})
    refused(answer, 422, "email_exists")


async def test_a_changed_account_is_changed_at_once(auto: Project, grace: Json) -> None:
    user, wanted = grace["user"], new_email()
    changed = await change(auto, user, email=wanted, user_metadata={"full_name": None}, app_metadata={"team": "red"})
    assert (changed["email"], changed["user_metadata"]) == (wanted, {})
    assert changed["app_metadata"]["team"] == "red"
    assert changed["identities"][0]["email"] == wanted
    assert changed["updated_at"] > user["updated_at"]
    assert good(await auto.user(grace["access_token"])) == changed
    good(await auto.sign_in(wanted))


async def test_a_password_that_an_administrator_sets_ends_every_session(auto: Project, grace: Json, email: str) -> None:
    await change(auto, grace["user"], password="another afternoon")
    refused(await auto.user(grace["access_token"]), 403, "session_not_found")
    refused(await auto.sign_in(email), 400, "invalid_credentials")
    good(await auto.sign_in(email, "another afternoon"))


async def test_an_account_without_an_email_gets_its_first_identity(auto: Project) -> None:
    session, wanted = await auto.sign_up_anonymously(), new_email()
    changed = await change(auto, session["user"], email=wanted)
    assert [identity["email"] for identity in changed["identities"]] == [wanted]
    assert changed["is_anonymous"] is False
    assert changed["app_metadata"] == {"provider": "email", "providers": ["email"]}


async def test_an_identity_elsewhere_stays_as_it_is(auto: Project, grace: Json, admin: Admin) -> None:
    user_id, wanted = grace["user"]["id"], new_email()
    columns = "provider, provider_id, user_id, identity_data, created_at"
    elsewhere = f"insert into auth.identities ({columns}) values ('github', %s, %s, '{{}}', '2020-01-01')"
    admin.execute(elsewhere, (uuid4().hex, user_id))
    changed = await change(auto, grace["user"], email=wanted)
    assert [(each["provider"], each.get("email")) for each in changed["identities"]] == [
        ("github", None),
        ("email", wanted),
    ]


BANS = {"24h": 86400, "1h30m": 5400, "100ms": 0.1, "1.5h": 5400, ".5s": 0.5, "876000h": 876000 * 3600}


@pytest.mark.parametrize("duration", BANS)
async def test_a_ban_lasts_as_long_as_it_says(auto: Project, duration: str) -> None:
    banned = await create(auto, ban_duration=duration)
    expected = datetime.now(UTC) + timedelta(seconds=BANS[duration])
    assert abs(datetime.fromisoformat(banned["banned_until"]) - expected) < timedelta(minutes=1)


@pytest.mark.parametrize("lift", ["none", "0", "0s", "-1h"])
async def test_a_ban_acts_at_once_until_it_is_lifted(auto: Project, grace: Json, email: str, lift: str) -> None:
    await change(auto, grace["user"], ban_duration="24h")
    refused(await auto.user(grace["access_token"]), 403, "user_banned")
    refused(await auto.refresh(grace["refresh_token"]), 400, "user_banned")
    refused(await auto.sign_in(email), 400, "user_banned")
    lifted = await change(auto, grace["user"], ban_duration=lift)
    assert ("banned_until" in lifted) == (lift == "-1h")
    good(await auto.user(grace["access_token"]))


async def test_deletion_acts_at_once(auto: Project, grace: Json, email: str, admin: Admin) -> None:
    user_id = grace["user"]["id"]
    assert good(await auto.administer("DELETE", f"users/{user_id}")) == {}
    refused(await auto.user(grace["access_token"]), 403, "user_not_found")
    refused(await auto.sign_in(email), 400, "invalid_credentials")
    refused(await auto.administer("GET", f"users/{user_id}"), 404, "user_not_found")
    assert admin.execute("select count(*) from auth.identities where user_id = %s", (user_id,)).fetchone() == (0,)
    await auto.sign_up(email)


async def test_soft_deletion_leaves_a_row_without_a_name(auto: Project, grace: Json, email: str, admin: Admin) -> None:
    user_id, wanted = grace["user"]["id"], new_email()
    good(await auto.change(grace["access_token"], email=wanted))
    for _ in range(2):
        form = {"should_soft_delete": True}
        assert good(await auto.administer("DELETE", f"users/{user_id}", json=form)) == {}
    refused(await auto.user(grace["access_token"]), 403, "user_not_found")
    refused(await auto.refresh(grace["refresh_token"]), 400, "refresh_token_not_found")
    kept = good(await auto.administer("GET", f"users/{user_id}"))
    assert kept["deleted_at"]
    assert email not in str(kept)
    assert wanted not in str(kept)
    assert admin.execute("select from auth.one_time_tokens where user_id = %s", (user_id,)).fetchall() == []
    assert (kept["user_metadata"], kept["app_metadata"], kept["identities"]) == ({}, {}, [])
    await auto.sign_up(email)


@pytest.mark.parametrize("user_id", ["x", "1", "00000000-0000-0000-0000", "%00", NOBODY])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_an_id_of_nobody_is_not_found(auto: Project, method: str, user_id: str) -> None:
    refused(await auto.administer(method, f"users/{user_id}", json={}), 404, "user_not_found", "User not found")


async def test_another_broken_constraint_is_not_said_to_be_the_email(auto: Project, admin: Admin) -> None:
    admin.execute("alter table auth.users add constraint no_nobodies check (email not like 'nobody%')")
    try:
        refused(
            await auto.administer("POST", "users", json={"email": f"nobody{new_email()}"}), 400, "validation_failed"
        )
    finally:
        admin.execute("alter table auth.users drop constraint no_nobodies")
