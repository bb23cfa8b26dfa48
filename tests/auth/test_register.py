"""Accounts come into being: once per e-mail, with a password that is worth something."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from api_main.auth.user_object import UserObject
from tests.auth.calls import AUTH, PASSWORD, assert_refused, login, new_email, read_me, register, sign_in, tokens_of

Admin = psycopg.Connection[Any]


def accounts_of(admin: Admin, email: str) -> int:
    row = admin.execute("select count(*) from auth.users where lower(email) = lower(%s)", (email,)).fetchone()
    return 0 if row is None else int(row[0])


async def test_a_new_account_is_signed_in_at_once(client: httpx.AsyncClient, admin: Admin) -> None:
    email = new_email()
    response = await register(client, email, full_name="Grace Hopper")
    assert response.status_code == 201
    tokens = tokens_of(response)
    assert tokens["token_type"] == "bearer"
    assert tokens["expires_in"] == 1800
    user, [identity] = tokens["user"], tokens["user"]["identities"]
    assert UserObject.model_validate(user).model_dump(mode="json") == user  # the whole user object, and no more
    assert (user["email"], user["aud"], user["role"], user["phone"]) == (email, "authenticated", "authenticated", "")
    assert user["app_metadata"] == {"provider": "email", "providers": ["email"]}
    assert (user["user_metadata"], user["is_anonymous"]) == ({"full_name": "Grace Hopper"}, False)
    assert user["email_confirmed_at"] == user["confirmed_at"] <= user["last_sign_in_at"]
    assert (identity["user_id"], identity["provider"], identity["email"]) == (user["id"], "email", email)
    profile = (await read_me(client, tokens["access_token"])).json()["data"]
    assert (profile["id"], profile["email"], profile["full_name"]) == (tokens["user"]["id"], email, "Grace Hopper")
    assert (profile["is_active"], profile["is_superuser"], profile["locale"]) == (True, False, None)


async def test_an_account_has_the_rows_that_supabase_auth_would_give_it(
    client: httpx.AsyncClient, admin: Admin
) -> None:
    email = new_email()
    user_id = tokens_of(await register(client, email, full_name="Grace"))["user"]["id"]
    user = admin.execute(
        "select aud, role, raw_app_meta_data, raw_user_meta_data, email_confirmed_at is not null, is_anonymous,"
        " last_sign_in_at is not null, left(encrypted_password, 4) from auth.users where id = %s",
        (user_id,),
    ).fetchone()
    app_metadata = {"provider": "email", "providers": ["email"]}
    assert user == ("authenticated", "authenticated", app_metadata, {"full_name": "Grace"}, True, False, True, "$2b$")
    identity = admin.execute(
        "select provider, provider_id, identity_data, email from auth.identities where user_id = %s", (user_id,)
    ).fetchall()
    data = {"sub": user_id, "email": email, "email_verified": True, "phone_verified": False}
    assert identity == [("email", user_id, data, email)]


@pytest.mark.parametrize("form", ["{}", "  {}  ", "{upper}", "Grace Hopper <{upper}>"])
async def test_an_email_is_one_account_however_it_is_written(
    client: httpx.AsyncClient, admin: Admin, form: str
) -> None:
    email = new_email()
    written = form.format(email, upper=email.upper())
    assert tokens_of(await register(client, written))["user"]["email"] == email
    assert_refused(await register(client, email), 409, "email_taken", "email")
    assert_refused(await register(client, written), 409, "email_taken", "email")
    assert (await login(client, email)).status_code == 200
    assert (await login(client, email.title())).status_code == 200
    assert accounts_of(admin, email) == 1


async def test_of_two_at_once_exactly_one_wins(client: httpx.AsyncClient, admin: Admin) -> None:
    email = new_email()
    answers = await asyncio.gather(*(register(client, each) for each in [email, email.upper()] * 3))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409, 409]
    assert accounts_of(admin, email) == 1


async def test_the_answer_to_a_duplicate_names_nothing_of_the_account(client: httpx.AsyncClient) -> None:
    email = new_email()
    user_id = tokens_of(await register(client, email, full_name="Grace"))["user"]["id"]
    refused = await register(client, email, password="another password")
    assert_refused(refused, 409, "email_taken")
    assert all(known not in refused.text for known in (email, user_id, "Grace", "users_email"))


@pytest.mark.parametrize(
    "local",
    ["gr\u00e4ce", "\u0433\u0440\u0435\u0439\u0441", "grace+tag", "o'hara", "\u0130stanbul", "stra\u00dfe", "a.b_c-d"],
)
async def test_an_email_may_have_letters_of_any_script(client: httpx.AsyncClient, local: str) -> None:
    email = f"{local}.{uuid4().hex[:8]}@example.com"
    registered = tokens_of(await register(client, email))["user"]["email"]
    assert registered == registered.lower()
    assert (await login(client, email)).status_code == 200
    assert (await login(client, email.upper() if local.isascii() else email)).status_code == 200
    assert_refused(await register(client, email), 409, "email_taken")


async def test_a_domain_is_the_same_in_unicode_and_in_ascii(client: httpx.AsyncClient) -> None:
    name = uuid4().hex
    registered = tokens_of(await register(client, f"{name}@b\u00fccher.example.com"))["user"]["email"]
    assert registered == f"{name}@b\u00fccher.example.com"
    assert_refused(await register(client, f"{name}@xn--bcher-kva.example.com"), 409, "email_taken")


INVALID_EMAILS = {
    "empty": "",
    "no domain": "grace",
    "no local part": "@example.com",
    "two at signs": "a@b@example.com",
    "space": "a b@example.com",
    "nul": "a\x00b@example.com",
    "nul in the domain": "ab@exa\x00mple.com",
    "line break": "a@example.com\nBcc: b@example.com",
    "half a surrogate pair": "a\ud800@example.com",
    "too long": "a" * 250 + "@example.com",
    "much too long": "a" * 100_000 + "@example.com",
    "number": 7,
    "null": None,
    "list": ["a@example.com"],
    "a domain that cannot be": "a@example.invalid",
}
INVALID_PASSWORDS = {
    "nul": "long enough\x00",
    "half a surrogate pair": "long enough \udc00",
    "empty": "",
    "number": 12345678,
    "null": None,
    "object": {"$ne": ""},
    "2 kB": "x" * 2048,
}


@pytest.mark.parametrize("domain", ["corp.local", "shop.test"])
async def test_an_email_may_be_known_to_a_network_of_its_own_alone(client: httpx.AsyncClient, domain: str) -> None:
    email = new_email().replace("example.com", domain)
    tokens_of(await register(client, email))
    assert (await sign_in(client, email))["user"]["email"] == email


@pytest.mark.parametrize("email", INVALID_EMAILS.values(), ids=INVALID_EMAILS)
@pytest.mark.parametrize("path", ["register", "login"])
async def test_what_is_no_email_is_refused(client: httpx.AsyncClient, path: str, email: Any) -> None:
    response = await client.post(f"{AUTH}/{path}", **as_json({"email": email, "password": PASSWORD}))
    assert_refused(response, 422, "validation_failed", "email")


@pytest.mark.parametrize("password", INVALID_PASSWORDS.values(), ids=INVALID_PASSWORDS)
@pytest.mark.parametrize("path", ["register", "login"])
async def test_what_is_no_password_is_refused_and_not_repeated(
    client: httpx.AsyncClient, path: str, password: Any
) -> None:
    response = await client.post(f"{AUTH}/{path}", **as_json({"email": new_email(), "password": password}))
    assert_refused(response, 422, "validation_failed", "password")
    assert "long enough" not in response.text


@pytest.mark.parametrize("full_name", ["", "x" * 256, "a\x00b", "\ud800", 7, []], ids=ascii)
async def test_what_is_no_name_is_refused(client: httpx.AsyncClient, full_name: Any) -> None:
    form = {"email": new_email(), "password": PASSWORD, "full_name": full_name}
    response = await client.post(f"{AUTH}/register", **as_json(form))
    assert_refused(response, 422, "validation_failed", "full_name")


WEAK = {
    "short": ("1234567", "weak_password"),
    "one of the commonest": ("password1", "weak_password"),
    "one of the commonest in capitals": ("PassWord1", "weak_password"),
    "73 bytes": ("x" * 73, "password_too_long"),
    "37 letters of two bytes": ("\u00e9" * 37, "password_too_long"),
    "19 emoji": ("\U0001f512" * 19, "password_too_long"),
    "8 bytes but 2 characters": ("\U0001f512" * 2, "weak_password"),
}


@pytest.mark.parametrize(("password", "code"), WEAK.values(), ids=WEAK)
async def test_a_weak_password_is_refused(client: httpx.AsyncClient, admin: Admin, password: str, code: str) -> None:
    email = new_email()
    response = await register(client, email, password)
    assert_refused(response, 422, code, "password")
    assert password not in response.text
    assert accounts_of(admin, email) == 0


@pytest.mark.parametrize("password", ["x" * 72, "\u00e9" * 36, "\U0001f512" * 18, "eight ch", " " * 9 + "spaces "])
async def test_72_bytes_are_a_password_and_every_byte_of_it_counts(client: httpx.AsyncClient, password: str) -> None:
    email = new_email()
    assert (await register(client, email, password)).status_code == 201
    assert (await login(client, email, password)).status_code == 200
    assert_refused(await login(client, email, password[:-1] + "?"), 401, "invalid_credentials")
    assert_refused(await login(client, email, password + "x"), 401, "invalid_credentials")


@pytest.mark.parametrize(
    "extra", ["role", "id", "is_superuser", "app_metadata", "email_confirmed_at", "encrypted_password"]
)
async def test_what_nobody_asked_for_is_refused(client: httpx.AsyncClient, extra: str) -> None:
    response = await register(client, new_email(), **{extra: "service_role"})
    assert_refused(response, 422, "validation_failed", extra)


async def test_another_broken_constraint_is_not_said_to_be_the_email(client: httpx.AsyncClient, admin: Admin) -> None:
    admin.execute("alter table auth.users add constraint no_nobodies check (email not like 'nobody%')")
    try:
        assert_refused(await register(client, f"nobody-{new_email()}"), 422, "validation_failed")
    finally:
        admin.execute("alter table auth.users drop constraint no_nobodies")


async def test_an_account_of_single_sign_on_may_have_the_same_email(client: httpx.AsyncClient, admin: Admin) -> None:
    email = new_email()
    admin.execute("insert into auth.users (email, is_sso_user) values (%s, true)", (email,))
    assert (await register(client, email)).status_code == 201
    admin.execute("insert into auth.users (email, is_sso_user) values (%s, true)", (email,))
    assert (await sign_in(client, email))["user"]["email"] == email


def as_json(form: Any) -> dict[str, Any]:
    """A body as a hostile client writes it, half surrogate pairs included."""
    return {"content": json.dumps(form).encode(), "headers": {"Content-Type": "application/json"}}
