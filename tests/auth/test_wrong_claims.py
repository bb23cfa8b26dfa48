"""Claims that make a token with our own good signature worthless."""

import json
import re
import time
from typing import Any, NoReturn
from uuid import uuid4

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from api_main.core.settings import Settings
from tests.auth.calls import TASKS, assert_refused, bearer
from tests.auth.forge import Jwk, signed
from tests.people import Person, claims

NOW = int(time.time())
ABSENT = object()
OURS = "http://api.test/auth/v1"

WRONG: dict[str, list[Any]] = {
    "exp": [ABSENT, None, "", "9999999999", "soon", [], {}, [9999999999]],
    "iss": [ABSENT, None, "", "https://evil.example/auth/v1", "http://api.test/auth/v1/", 1, {}, [OURS]],
    "aud": [ABSENT, None, "", "anon", "Authenticated", 1, True, [], {}, [["authenticated"]], ["authenticated", 1]],
    "sub": [ABSENT, None, "", "ada", "1", 1, True, [], {}, "0" * 36, "null", "\x00"],
    "role": [ABSENT, None],
    "session_id": ["", "one", 1, True, [], {}, 1.5, "\ud800"],
    "iat": [str(NOW), "now", True, [], None, NOW + 3600],
    "nbf": [str(NOW), "now", True, {}, None, NOW + 3600],
    "jti": [1, None, []],
    "user_metadata": ["\x00", {"a": ["\x00"]}, {"\x00": 1}, "\\\x00", "\ud800", {"\udfff": 1}],
}
EXPIRED = (NOW - 31, NOW - 86400, 0, True, -1, -1e308, NOW - 31.5)
ROLES = ("service_role", "postgres", "none", "anon", "supabase_admin", "auth_admin", "api_main", "Authenticated", "")
ODD_ROLES = (
    " authenticated",
    'authenticated"; reset role; --',
    "authenticated\x00",
    ["authenticated"],
    {"a": 1},
    1,
    True,
)
# What Python's json reads and RFC 8259 does not know, or what it reads as something else.
RAW = {
    "NaN": '"user_metadata": NaN',
    "Infinity": '"user_metadata": {"a": [-Infinity]}',
    "1e400": '"user_metadata": 1e400',
    "exp NaN": '"exp": NaN',
    "exp Infinity": '"exp": Infinity',
    "exp 1e400": '"exp": 1e400',
    "exp -1e400": '"exp": -1e400',
    "exp of 5,000 digits": f'"exp": {"9" * 5000}',
    "iat 1e400": '"iat": 1e400',
    "nbf NaN": '"nbf": NaN',
    "a second exp, past": f'"exp": {NOW + 86400}, "exp": "{NOW + 86400}"',
    "a second sub": '"sub": ["x"]',
    "a second iss": '"iss": "https://evil.example/auth/v1"',
}


@pytest.fixture
def good(settings: Settings, ada: Person) -> dict[str, Any]:
    return claims(settings, ada.id, ada.session)


def changed(good: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    return {key: item for key, item in {**good, name: value}.items() if item is not ABSENT}


def as_name(value: Any) -> str:
    """The same in every test process, whenever it was started."""
    return "absent" if value is ABSENT else re.sub(r"\b1\d{9}(\.5)?\b", "moment", ascii(value))[:40]


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values], ids=as_name
)
async def test_a_claim_that_is_missing_or_wrong_is_refused(
    client: httpx.AsyncClient, good: dict[str, Any], signing_key: Jwk, name: str, value: Any
) -> None:
    token = signed(signing_key, changed(good, name, value))
    assert_refused(await client.get(TASKS, headers=bearer(token)), 401, "invalid_token")


@pytest.mark.parametrize("exp", EXPIRED, ids=as_name)
async def test_an_expired_token_says_so(
    client: httpx.AsyncClient, good: dict[str, Any], signing_key: Jwk, exp: float
) -> None:
    response = await client.get(TASKS, headers=bearer(signed(signing_key, {**good, "exp": exp})))
    assert_refused(response, 401, "token_expired")
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]


@pytest.fixture
def no_database(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any, **__: Any) -> NoReturn:
        raise AssertionError("a connection was asked for")

    monkeypatch.setattr(app.state.database._pool, "getconn", fail)


@pytest.mark.parametrize("role", [*ROLES, *ODD_ROLES], ids=as_name)
async def test_a_role_outside_the_allow_list_is_refused_before_any_sql(
    client: httpx.AsyncClient, no_database: None, good: dict[str, Any], signing_key: Jwk, role: Any
) -> None:
    token = signed(signing_key, {**good, "role": role})
    assert_refused(await client.get(TASKS, headers=bearer(token)), 401, "role_not_allowed")


@pytest.mark.parametrize("form", ["{{{}}}", "urn:uuid:{}", "{{urn:uuid:{}}}", " {}", "{} ", "{}\n", "-{}"])
@pytest.mark.parametrize("name", ["sub", "session_id"])
async def test_a_uuid_has_one_form(
    client: httpx.AsyncClient, good: dict[str, Any], signing_key: Jwk, name: str, form: str
) -> None:
    token = signed(signing_key, {**good, name: form.format(good[name])})
    assert_refused(await client.get(TASKS, headers=bearer(token)), 401, "invalid_token")


async def test_a_uuid_without_dashes_is_refused(
    client: httpx.AsyncClient, good: dict[str, Any], signing_key: Jwk
) -> None:
    token = signed(signing_key, {**good, "sub": good["sub"].replace("-", "")})
    assert_refused(await client.get(TASKS, headers=bearer(token)), 401, "invalid_token")


async def test_a_uuid_in_capitals_is_the_same_account(
    client: httpx.AsyncClient, admin: psycopg.Connection[Any], good: dict[str, Any], signing_key: Jwk, ada: Person
) -> None:
    shouted = {**good, "sub": good["sub"].upper(), "session_id": good["session_id"].upper()}
    headers = bearer(signed(signing_key, shouted))
    assert (await client.get("/api/v1/auth/me", headers=headers)).json()["data"]["id"] == str(ada.id)
    assert (await client.post(TASKS, json={"title": "Shout"}, headers=headers)).status_code == 201
    owned = admin.execute("select count(*) from public.tasks where owner_id = %s", (ada.id,)).fetchone()
    assert owned == (1,)


@pytest.mark.parametrize("addition", RAW.values(), ids=RAW)
async def test_json_that_postgres_or_the_rfc_would_not_read_is_refused(
    client: httpx.AsyncClient, good: dict[str, Any], signing_key: Jwk, addition: str
) -> None:
    payload = f"{json.dumps(good)[:-1]}, {addition}}}".encode()
    assert_refused(await client.get(TASKS, headers=bearer(signed(signing_key, payload))), 401, "invalid_token")


@pytest.mark.parametrize(
    "change",
    [
        {"exp": NOW + 86400.5},
        {"exp": 1e300},
        {"iat": NOW - 0.5},
        {"aud": ["elsewhere", "authenticated"]},
        {"user_metadata": {"name": "\\u0000 \u00e9 \U0001f600", "deep": [[[[{}]]]], "big": 10**100, "small": 1e-300}},
        {"session_id": None},
        {"role": "authenticated", "aal": ["odd", 1], "email": {"not": "text"}},
    ],
    ids=as_name,
)
async def test_odd_claims_that_break_no_rule_are_accepted(
    client: httpx.AsyncClient, good: dict[str, Any], signing_key: Jwk, change: dict[str, Any]
) -> None:
    token = signed(signing_key, {**good, **change})
    response = await client.get(TASKS, headers=bearer(token))
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(("name", "seconds"), [("exp", -20), ("iat", 20), ("nbf", 20)])
async def test_clocks_may_differ_by_half_a_minute(
    client: httpx.AsyncClient, good: dict[str, Any], signing_key: Jwk, name: str, seconds: int
) -> None:
    token = signed(signing_key, {**good, name: int(time.time()) + seconds})
    assert (await client.get(TASKS, headers=bearer(token))).status_code == 200


async def test_claims_as_deep_as_json_can_be_read_do_not_trouble_the_database(
    client: httpx.AsyncClient, good: dict[str, Any], signing_key: Jwk
) -> None:
    for depth in (100, 500, 900, 980, 1000, 1500, 3000):
        payload = f'{json.dumps(good)[:-1]}, "x": {"[" * depth}{"]" * depth}}}'.encode()
        status = (await client.get(TASKS, headers=bearer(signed(signing_key, payload)))).status_code
        assert status == 200 if depth <= 500 else status in {200, 401}


async def test_a_stranger_to_the_database_sees_nothing(
    client: httpx.AsyncClient, settings: Settings, signing_key: Jwk
) -> None:
    unbound = {name: value for name, value in claims(settings, uuid4()).items() if name != "session_id"}
    token = signed(signing_key, unbound)
    assert (await client.get(TASKS, headers=bearer(token))).json()["data"] == []
    assert_refused(await client.get("/api/v1/auth/me", headers=bearer(token)), 401, "session_ended")
