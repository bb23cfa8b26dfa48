"""Both forms of an error, and that nothing answers in a third one."""

import json
import re
from typing import Any

import httpx
import pytest

from api_main.auth.protocol.errors import UNFORESEEN, WORDS, words_for
from api_main.core import errors
from tests.protocol.project import PASSWORD, Json, Project, good, new_email, refused

VERSION = "X-Supabase-Api-Version"


def all_errors(kind: type[errors.ApiError] = errors.ApiError) -> set[type[errors.ApiError]]:
    return {kind}.union(*(all_errors(sub) for sub in kind.__subclasses__()))


@pytest.mark.parametrize("version", ["2024-01-01", "2025-06-30"])
async def test_since_2024_an_error_has_a_code_and_a_message(auto: Project, version: str) -> None:
    form = {"email": new_email(), "password": "wrong"}
    answer = await auto.post("token?grant_type=password", form, headers={VERSION: version})
    assert answer.status_code == 400
    assert answer.json() == {"code": "invalid_credentials", "message": "Invalid login credentials"}
    assert answer.headers[VERSION] == "2024-01-01"
    assert answer.headers["x-sb-error-code"] == "invalid_credentials"


@pytest.mark.parametrize("version", [None, "", "2023-12-31", "tomorrow", "2024-01-01T00:00:00", "99999-01-01"])
async def test_before_that_it_has_a_status_a_code_and_a_message(auto: Project, version: str | None) -> None:
    headers = {} if version is None else {VERSION: version}
    answer = await auto.post("token?grant_type=x", {}, headers=headers)
    expected = {"code": 400, "error_code": "validation_failed", "msg": "unsupported_grant_type"}
    assert refused(answer, 400, "validation_failed") == expected
    assert VERSION not in answer.headers


@pytest.mark.parametrize("version", [{}, {VERSION: "2024-01-01"}])
async def test_reasons_come_in_both_forms(auto: Project, version: dict[str, str]) -> None:
    answer = await auto.post("signup", {"email": new_email(), "password": "x"}, headers=version)
    assert answer.json()["weak_password"] == {"reasons": ["length"]}


async def test_a_browser_may_read_what_clients_need(auto: Project) -> None:
    origin = {"Origin": "http://localhost:3000"}
    answer = await auto.post("token?grant_type=x", {}, headers=origin)
    exposed = answer.headers["access-control-expose-headers"].lower()
    for name in ("x-total-count", "link", "x-supabase-api-version", "x-sb-error-code", "retry-after"):
        assert name in exposed
    wanted = "apikey,authorization,content-type,x-client-info,x-supabase-api-version"
    preflight = {**origin, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": wanted}
    assert (await auto.http.options("/auth/v1/user", headers=preflight)).status_code == 200


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_over_one_megabyte_is_refused(auto: Project, declared: bool) -> None:
    body = b'{"data": "' + b"x" * (1024 * 1024) + b'"}'

    async def in_pieces() -> Any:
        for start in range(0, len(body), 65536):
            yield body[start : start + 65536]

    answer = await auto.call("POST", "signup", content=body if declared else in_pieces())
    refused(answer, 413, "request_entity_too_large", "Request body too large")


@pytest.mark.parametrize("body", [b"{", b"\xff", b"not json", b'{"email": NaN', b"[" * 100_000])
async def test_what_is_no_json_is_refused(auto: Project, body: bytes) -> None:
    refused(await auto.call("POST", "signup", content=body), 400, "bad_json")


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'"x"', b"7"])
async def test_what_is_no_object_is_refused(auto: Project, body: bytes) -> None:
    assert (await auto.call("POST", "signup", content=body)).status_code == 400


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded", "x", "a/b; c"])
async def test_a_body_is_json_whatever_it_says_it_is(auto: Project, email: str, content_type: str) -> None:
    body = json.dumps({"email": email, "password": PASSWORD})
    headers = {"content-type": content_type}
    good(await auto.call("POST", "token?grant_type=password", content=body, headers=headers))


async def test_unknown_fields_are_passed_over(auto: Project, email: str) -> None:
    form = {"email": email, "password": PASSWORD, "gotrue_meta_security": {"captcha_token": None}, "x": [1]}
    good(await auto.post("token?grant_type=password", form))


@pytest.mark.parametrize("name", ["token", "token_hash", "email", "type"])
@pytest.mark.parametrize("value", ["a\x00b", "\ud800", 7, None, [], {}])
async def test_odd_values_are_refused_and_never_our_fault(auto: Project, name: str, value: Any) -> None:
    form = {"type": "signup", "token_hash": "x", name: value}
    answer = await auto.call("POST", "verify", content=json.dumps(form))
    assert answer.status_code in {400, 403}, answer.text


async def test_a_wrong_key_is_refused_everywhere(auto: Project) -> None:
    for method, path in (("GET", "settings"), ("POST", "token?grant_type=password"), ("GET", "admin/users")):
        answer = await auto.call(method, path, key=f"{auto.publishable}x")
        refused(answer, 401, "no_authorization", "Invalid API key")


async def test_what_nobody_foresaw_has_the_protocols_form(auto: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any) -> None:
        raise RuntimeError("a secret of ours")

    monkeypatch.setattr(auto.app.state.accounts, "sign_in", fail)
    answer = await auto.sign_in(new_email())
    refused(answer, 500, "unexpected_failure", UNFORESEEN.message)
    answer = await auto.post(
        "token?grant_type=password", {"email": "a@example.com", "password": "x"}, headers={VERSION: "2024-01-01"}
    )
    assert answer.json().keys() == {"code", "message"}


async def test_two_changes_that_collide_are_a_conflict(auto: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    async def collide(*_: Any) -> None:
        raise errors.Conflict

    monkeypatch.setattr(auto.app.state.accounts, "refresh", collide)
    refused(await auto.refresh("x"), 409, "conflict")


async def test_without_a_database_the_answer_has_the_protocols_form(auto: Project, monkeypatch: Any) -> None:
    async def away(*_: Any) -> None:
        raise errors.DatabaseUnavailable

    monkeypatch.setattr(auto.app.state.accounts, "sign_in", away)
    answer = await auto.sign_in(new_email())
    refused(answer, 503, "unexpected_failure")
    assert answer.headers["Retry-After"]


def test_every_error_has_words_in_the_protocol() -> None:
    codes = {words_for(kind.__new__(kind)).code for kind in all_errors() if kind.__name__ != "ProtocolError"}
    assert all(re.fullmatch(r"[a-z0-9_]+", code) for code in codes)
    assert {words.code for words in WORDS.values()} <= codes


@pytest.mark.parametrize("path", ["/auth/v1", "/auth/v10/user", "/auth/v1x"])
async def test_other_paths_speak_our_own_form(auto: Project, path: str) -> None:
    answer: httpx.Response = await auto.http.get(path)
    assert answer.status_code == 404
    body: Json = answer.json()
    assert body["error"]["code"] == "not_found"
