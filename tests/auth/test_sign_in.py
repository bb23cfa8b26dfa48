"""Signing in: who may, and what those who may not can learn from the answer."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import bcrypt
import httpx
import psycopg
import pytest
from fastapi import FastAPI

from api_main.auth import passwords
from tests.auth.calls import PASSWORD, assert_refused, bearer, login, new_email, read_me, refresh, sign_in, tokens_of
from tests.conftest import NewPerson
from tests.people import Person

Admin = psycopg.Connection[Any]

YESTERDAY, TOMORROW = (datetime.now(UTC) + timedelta(days=days) for days in (-1, 1))


async def test_the_right_password_begins_a_session(client: httpx.AsyncClient, admin: Admin, grace: Person) -> None:
    tokens = await sign_in(client, grace.email)
    assert tokens["user"]["id"] == str(grace.id)
    assert (await read_me(client, tokens["access_token"])).status_code == 200
    assert tokens["expires_at"] == pytest.approx(time.time() + 1800, abs=60)
    sessions = admin.execute("select count(*) from auth.sessions where user_id = %s", (grace.id,)).fetchone()
    assert sessions == (2,)


async def test_an_unknown_email_and_a_wrong_password_get_the_same_answer(
    client: httpx.AsyncClient, grace: Person
) -> None:
    answers = [await login(client, new_email()), await login(client, grace.email, "wrong")]
    for answer in answers:
        assert_refused(answer, 401, "invalid_credentials")
    first, second = ({**answer.json()["error"], "request_id": "", "timestamp": ""} for answer in answers)
    assert first == second
    assert answers[0].headers.keys() == answers[1].headers.keys()


@pytest.mark.parametrize("case", ["known", "unknown", "without a password", "of another kind", "empty", "too long"])
async def test_every_failure_costs_one_comparison_of_full_cost(
    client: httpx.AsyncClient,
    new_person: NewPerson,
    full_bcrypt: None,
    monkeypatch: pytest.MonkeyPatch,
    case: str,
) -> None:
    real = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(passwords.COST)).decode()
    stored = {"without a password": None, "of another kind": "$argon2id$v=19$m=65536$c2FsdA$aGFzaA", "empty": ""}
    email = new_email() if case == "unknown" else new_person(encrypted_password=stored.get(case, real)).email
    compared: list[bytes] = []

    def compare(secret: bytes, hashed: bytes) -> bool:
        compared.append(hashed)
        return False

    monkeypatch.setattr(bcrypt, "checkpw", compare)
    assert_refused(await login(client, email, "x" * 100 if case == "too long" else "wrong"), 401, "invalid_credentials")
    assert [hashed[:7] for hashed in compared] == [b"$2b$12$"]


async def test_an_unknown_email_takes_as_long_as_a_wrong_password(
    client: httpx.AsyncClient, new_person: NewPerson, full_bcrypt: None
) -> None:
    known = new_person(encrypted_password=passwords.NOBODYS_HASH).email

    async def timed(email: str) -> float:
        before = time.process_time()  # of this process alone, whatever else the machine does
        assert_refused(await login(client, email, "wrong"), 401, "invalid_credentials")
        return time.process_time() - before

    wrong, unknown = await timed(known), await timed(new_email())
    assert 0.25 < wrong / unknown < 4  # without the comparison it would be a factor of fifty


def switch_off(admin: Admin, user_id: UUID) -> None:
    admin.execute("update public.profiles set is_active = false where id = %s", (user_id,))


DISABLED: dict[str, dict[str, Any]] = {"banned": {"banned_until": TOMORROW}, "deleted": {"deleted_at": YESTERDAY}}


@pytest.mark.parametrize("reason", ["banned", "switched off"])
async def test_a_disabled_account_is_told_so_only_with_the_right_password(
    client: httpx.AsyncClient, admin: Admin, new_person: NewPerson, quick_hash: str, reason: str
) -> None:
    person = new_person(encrypted_password=quick_hash, **DISABLED.get(reason, {}))
    if reason == "switched off":
        switch_off(admin, person.id)
    assert_refused(await login(client, person.email, "wrong"), 401, "invalid_credentials")
    assert_refused(await login(client, person.email), 403, "account_disabled")
    assert_refused(await read_me(client, person.token), 401, "session_ended")


async def test_a_deleted_account_is_unknown_even_with_the_right_password(
    client: httpx.AsyncClient, new_person: NewPerson, quick_hash: str
) -> None:
    person = new_person(encrypted_password=quick_hash, **DISABLED["deleted"])
    answers = [await login(client, email) for email in (person.email, new_email())]
    for answer in answers:
        assert_refused(answer, 401, "invalid_credentials")
    deleted, unknown = ({**answer.json()["error"], "request_id": "", "timestamp": ""} for answer in answers)
    assert deleted == unknown
    assert_refused(await read_me(client, person.token), 401, "session_ended")


@pytest.mark.parametrize("reason", ["none", "banned", "switched off"])
async def test_an_email_that_is_not_confirmed_is_told_so_only_with_the_right_password(
    client: httpx.AsyncClient, admin: Admin, new_person: NewPerson, quick_hash: str, reason: str
) -> None:
    person = new_person(encrypted_password=quick_hash, email_confirmed_at=None, **DISABLED.get(reason, {}))
    if reason == "switched off":
        switch_off(admin, person.id)
    assert_refused(await login(client, person.email, "wrong"), 401, "invalid_credentials")
    code = "email_not_confirmed" if reason == "none" else "account_disabled"
    assert_refused(await login(client, person.email), 403, code)
    sessions = admin.execute("select count(*) from auth.sessions where user_id = %s", (person.id,)).fetchone()
    assert sessions == (1,)  # the one it was made with


@pytest.mark.parametrize("reason", ["banned", "deleted", "switched off"])
async def test_disabling_an_account_ends_what_is_under_way(
    client: httpx.AsyncClient, admin: Admin, grace: Person, reason: str
) -> None:
    tokens = await sign_in(client, grace.email)
    if reason == "switched off":
        switch_off(admin, grace.id)
    else:
        [(column, value)] = DISABLED[reason].items()
        admin.execute(f"update auth.users set {column} = %s where id = %s", (value, grace.id))
    assert_refused(await read_me(client, tokens["access_token"]), 401, "session_ended")
    assert_refused(await refresh(client, tokens["refresh_token"]), 401, "invalid_refresh_token")


async def test_a_ban_ends_by_itself(client: httpx.AsyncClient, new_person: NewPerson, quick_hash: str) -> None:
    person = new_person(encrypted_password=quick_hash, banned_until=YESTERDAY)
    assert (await login(client, person.email)).status_code == 200


async def test_an_account_that_is_gone_is_unknown(client: httpx.AsyncClient, admin: Admin, grace: Person) -> None:
    tokens = await sign_in(client, grace.email)
    admin.execute("delete from auth.users where id = %s", (grace.id,))
    assert_refused(await login(client, grace.email), 401, "invalid_credentials")
    assert_refused(await refresh(client, tokens["refresh_token"]), 401, "invalid_refresh_token")
    assert_refused(await read_me(client, tokens["access_token"]), 401, "session_ended")


ADDRESSES = {
    "IPv4": (("192.0.2.7", 1), "192.0.2.7"),
    "IPv6": (("2001:db8::7", 1), "2001:db8::7"),
    "IPv6 with a zone": (("fe80::1%eth0", 1), "fe80::1"),
    "a name": (("testclient", 1), None),
    "a Unix socket": (("", 0), None),
    "none": (None, None),
}


@pytest.mark.parametrize(("address", "stored"), ADDRESSES.values(), ids=ADDRESSES)
async def test_a_session_remembers_where_it_was_begun(
    app: FastAPI, admin: Admin, grace: Person, address: Any, stored: str | None
) -> None:
    transport = httpx.ASGITransport(app, client=address)
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as elsewhere:
        tokens = tokens_of(await login(elsewhere, grace.email))
        assert (await elsewhere.get("/api/v1/tasks", headers=bearer(tokens["access_token"]))).status_code == 200
    row = admin.execute(
        "select host(ip) from auth.sessions where user_id = %s order by created_at desc limit 1", (grace.id,)
    ).fetchone()
    assert row == (stored,)


@pytest.mark.parametrize(
    "agent", ["", "curl/8", "x" * 60_000, "na\u00efve \u00ff"], ids=["none", "curl", "long", "not ASCII"]
)
async def test_a_session_remembers_no_more_of_its_user_agent_than_is_useful(
    client: httpx.AsyncClient, admin: Admin, grace: Person, agent: str
) -> None:
    client.headers["User-Agent"] = agent
    await sign_in(client, grace.email)
    row = admin.execute(
        "select user_agent from auth.sessions where user_id = %s order by created_at desc limit 1", (grace.id,)
    ).fetchone()
    assert row is not None
    assert row[0].isascii() == agent.isascii()
    assert len(row[0]) == min(len(agent), 512) if agent.isascii() else row[0].startswith("na")
