"""Each event is a line of log with request id, subject and address; and no line holds a secret."""

import json
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from api_main.auth.events import SecurityEvent
from api_main.auth.mail.sender import Mailbox
from api_main.core.settings import Settings
from tests.auth.calls import (
    AUTH,
    PASSWORD,
    TASKS,
    bearer,
    change_password,
    login,
    new_email,
    read_me,
    refresh,
    register,
    tokens_of,
)
from tests.auth.conftest import LogLines
from tests.people import Person, claims, sign
from tests.protocol.project import token_in

Line = dict[str, Any]
REQUEST_ID, ADDRESS = "test-request-0001", "192.0.2.7"
API_TOKENS, API_TOKEN = "/api/v1/tokens", {"name": "Backup script", "scopes": ["tasks:read"]}
NEW_PASSWORD, WRONG_PASSWORD = "another fine password", "a wrong password"


@pytest.fixture
async def client(app: FastAPI) -> Any:
    """A client with a known address and request id."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(ADDRESS, 1))
    headers = {"X-Request-ID": REQUEST_ID}
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test", headers=headers) as http:
        yield http


@pytest.fixture
def mailbox(app: FastAPI) -> Mailbox:
    sender = app.state.mail_sender
    assert isinstance(sender, Mailbox)
    return sender


def events_in(lines: list[Line]) -> list[Line]:
    return [line for line in lines if line.get("security")]


def assert_logged(lines: list[Line], event: str, subject: object = None, **facts: Any) -> None:
    """There is one event, it is this one, and it says who, from where and in which request."""
    [line] = events_in(lines)
    expected = {"event": event, "request_id": REQUEST_ID, "address": ADDRESS, **facts}
    assert {name: line.get(name) for name in expected} == expected
    assert line["subject"] == (None if subject is None else str(subject))
    assert line["timestamp"].endswith("Z")


async def test_a_registration_is_logged(client: httpx.AsyncClient, log_lines: LogLines) -> None:
    user = tokens_of(await register(client, new_email()))["user"]
    assert_logged(log_lines(), "registered", user["id"])


async def test_a_sign_in_is_logged(client: httpx.AsyncClient, grace: Person, log_lines: LogLines) -> None:
    await login(client, grace.email)
    assert_logged(log_lines(), "signed_in", grace.id)


async def test_a_failure_is_logged_with_its_account_if_there_is_one(
    client: httpx.AsyncClient, grace: Person, log_lines: LogLines
) -> None:
    await login(client, grace.email, WRONG_PASSWORD)
    assert_logged(log_lines(), "sign_in_failed", grace.id, reason="invalid_credentials")
    await login(client, new_email(), WRONG_PASSWORD)
    assert_logged(log_lines(), "sign_in_failed", None, reason="invalid_credentials")


async def test_a_disabled_account_that_tries_is_logged(
    client: httpx.AsyncClient, admin: psycopg.Connection[Any], grace: Person, log_lines: LogLines
) -> None:
    admin.execute("update public.profiles set is_active = false where id = %s", (grace.id,))
    await login(client, grace.email)
    assert_logged(log_lines(), "sign_in_failed", grace.id, reason="account_disabled")
    await read_me(client, grace.token)
    assert_logged(log_lines(), "token_refused", grace.id, reason="session_ended")


async def test_a_refresh_and_a_reuse_are_logged(
    client: httpx.AsyncClient, admin: psycopg.Connection[Any], grace: Person, log_lines: LogLines
) -> None:
    first = tokens_of(await login(client, grace.email))["refresh_token"]
    log_lines()
    second = tokens_of(await refresh(client, first))["refresh_token"]
    assert_logged(log_lines(), "refreshed", grace.id)
    await refresh(client, first)
    assert_logged(log_lines(), "refreshed", grace.id)
    await refresh(client, second)
    log_lines()
    admin.execute("update auth.sessions set refreshed_at = 'epoch' where user_id = %s", (grace.id,))
    await refresh(client, first)
    assert_logged(log_lines(), "refresh_token_reused", grace.id)
    for refused in (first, "not a token"):
        await refresh(client, refused)
        assert_logged(log_lines(), "token_refused", None, reason="invalid_refresh_token")


async def test_a_lock_out_is_logged(client: httpx.AsyncClient, log_lines: LogLines) -> None:
    email = new_email()
    for _ in range(10):
        await login(client, email, WRONG_PASSWORD)
    log_lines()
    await login(client, email, WRONG_PASSWORD)
    assert_logged(log_lines(), "locked_out")


async def test_a_password_change_is_logged_and_so_are_failures(
    client: httpx.AsyncClient, grace: Person, log_lines: LogLines
) -> None:
    await change_password(client, grace.token, PASSWORD, NEW_PASSWORD)
    assert_logged(log_lines(), "password_changed", grace.id)
    await change_password(client, grace.token, WRONG_PASSWORD, PASSWORD)
    assert_logged(log_lines(), "sign_in_failed", grace.id, reason="wrong_password")
    for _ in range(10):
        log_lines()
        await change_password(client, grace.token, WRONG_PASSWORD, PASSWORD)
    assert_logged(log_lines(), "locked_out", grace.id)


@pytest.mark.parametrize(
    ("duration", "event"), [("1h", "account_banned"), ("none", "account_changed"), ("-1h", "account_changed")]
)
async def test_a_ban_is_logged_as_one_and_its_lifting_is_not(
    client: httpx.AsyncClient, settings: Settings, grace: Person, log_lines: LogLines, duration: str, event: str
) -> None:
    service = sign(settings, claims(settings, uuid4(), role="service_role", session_id=None))
    form = {"ban_duration": duration}
    await client.put(f"/auth/v1/admin/users/{grace.id}", json=form, headers=bearer(service))
    assert_logged(log_lines(), event, grace.id)


@pytest.mark.parametrize("scope", ["local", "others", "global"])
async def test_signing_out_is_logged_with_its_scope(
    client: httpx.AsyncClient, grace: Person, log_lines: LogLines, scope: str
) -> None:
    await client.post(f"{AUTH}/logout", params={"scope": scope}, headers=grace.headers)
    assert_logged(log_lines(), "signed_out", grace.id, scope=scope)


async def test_a_refused_token_is_logged_without_the_token(
    client: httpx.AsyncClient, grace: Person, log_lines: LogLines
) -> None:
    spoilt = f"{grace.token[:-8]}AAAAAAAA"
    await client.get(TASKS, headers=bearer(spoilt))
    lines = log_lines()
    assert_logged(lines, "token_refused", None, reason="invalid_token")
    assert all(part not in json.dumps(lines) for part in spoilt.split("."))


async def test_nothing_is_logged_of_a_token_that_is_good(
    client: httpx.AsyncClient, grace: Person, log_lines: LogLines
) -> None:
    assert (await client.get(TASKS, headers=grace.headers)).status_code == 200
    assert events_in(log_lines()) == []


async def test_the_life_of_an_account_leaves_every_event_and_no_secret_in_the_log(
    client: httpx.AsyncClient,
    admin: psycopg.Connection[Any],
    settings: Settings,
    mailbox: Mailbox,
    log_lines: LogLines,
) -> None:
    email, secrets = new_email(), {PASSWORD, NEW_PASSWORD, WRONG_PASSWORD}

    def keep(tokens: dict[str, Any]) -> dict[str, Any]:
        secrets.update((*tokens["access_token"].split("."), tokens["refresh_token"]))
        return tokens

    first = keep(tokens_of(await register(client, email, full_name="Grace")))
    second = keep(tokens_of(await refresh(client, first["refresh_token"])))
    keep(tokens_of(await refresh(client, second["refresh_token"])))
    admin.execute("update auth.sessions set refreshed_at = 'epoch' where user_id = %s", (first["user"]["id"],))
    secrets.update(stored_secrets(admin, email))
    await refresh(client, first["refresh_token"])
    await read_me(client, first["access_token"])
    third = keep(tokens_of(await login(client, email)))
    api_token = tokens_of(await client.post(API_TOKENS, json=API_TOKEN, headers=bearer(third["access_token"])))
    secrets.add(api_token["token"])
    await client.delete(f"{API_TOKENS}/{api_token['id']}", headers=bearer(third["access_token"]))
    await client.put("/auth/v1/user", json={"data": {"tea": "green"}}, headers=bearer(third["access_token"]))
    await client.post("/auth/v1/recover", json={"email": email})
    secrets.add(token := token_in(next(iter(mailbox.newest_first())).message))
    redeemed = await client.post("/auth/v1/verify", json={"type": "recovery", "token_hash": token})
    keep(redeemed.json())
    third = keep(tokens_of(await login(client, email)))
    await change_password(client, third["access_token"], PASSWORD, NEW_PASSWORD)
    secrets.update(stored_secrets(admin, email))
    await client.post(f"{AUTH}/logout", headers=bearer(third["access_token"]))
    for _ in range(11):
        await login(client, email, WRONG_PASSWORD)
    await register(client, email, NEW_PASSWORD)
    service = sign(settings, claims(settings, uuid4(), role="service_role", session_id=None))
    secrets.update(service.split("."))
    account = f"/auth/v1/admin/users/{first['user']['id']}"
    await client.put(account, json={"ban_duration": "1h"}, headers=bearer(service))
    await client.delete(account, headers=bearer(service))
    log = log_lines()
    assert {line["event"] for line in events_in(log)} == {event.value for event in SecurityEvent}
    text = json.dumps(log)
    assert [secret for secret in secrets if secret in text] == []


async def test_a_failing_database_gives_no_secret_away(
    client: httpx.AsyncClient, admin: psycopg.Connection[Any], log_lines: LogLines
) -> None:
    """SQLAlchemy's errors name the parameters of a statement, unless told not to."""
    admin.execute("alter table auth.users rename column is_sso_user to is_something")
    try:
        assert (await register(client, new_email())).status_code == 500
    finally:
        admin.execute("alter table auth.users rename column is_something to is_sso_user")
    text = json.dumps(log_lines())
    assert "request_failed" in text
    assert "$2b$" not in text
    assert PASSWORD not in text


def stored_secrets(admin: psycopg.Connection[Any], email: str) -> set[str]:
    rows = admin.execute(
        "select u.encrypted_password, s.refresh_token_hmac_key from auth.users u"
        " left join auth.sessions s on s.user_id = u.id where u.email = %s",
        (email,),
    ).fetchall()
    return {secret for row in rows for secret in row if secret is not None}
