"""Supabase Auth's errors, limits and outages: each is one of our errors, none is a 500, and nothing leaks."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
import respx

from api_main.auth.supabase import accounts
from api_main.auth.supabase.errors import MAX_RETRY_SECONDS, RETRY_SECONDS
from tests.people import Person
from tests.supabase_mode import project
from tests.supabase_mode.calls import PASSWORD, change_password, error_of, login, logout, refresh, register
from tests.supabase_mode.conftest import LogLines, Serve
from tests.supabase_mode.project import PUBLISHABLE_KEY, SECRET_KEY

REGISTER, LOGIN, REFRESH = "/signup", "/token", "/token?refresh"
CALLS: dict[str, Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]] = {
    REGISTER: register,
    LOGIN: login,
    REFRESH: refresh,
}

TRANSLATED = [
    (LOGIN, 400, "invalid_credentials", 401, "invalid_credentials"),
    (LOGIN, 400, "email_not_confirmed", 403, "email_not_confirmed"),
    (LOGIN, 400, "user_banned", 403, "account_disabled"),
    (LOGIN, 429, "over_request_rate_limit", 429, "too_many_requests"),
    (LOGIN, 400, "captcha_failed", 400, "bad_request"),
    (LOGIN, 422, "a_code_of_tomorrow", 400, "bad_request"),
    (LOGIN, 422, "hook_timeout", 503, "auth_unavailable"),
    (LOGIN, 500, "unexpected_failure", 503, "auth_unavailable"),
    (LOGIN, 504, "request_timeout", 503, "auth_unavailable"),
    (REGISTER, 422, "user_already_exists", 409, "email_taken"),
    (REGISTER, 422, "email_exists", 409, "email_taken"),
    (REGISTER, 422, "weak_password", 422, "weak_password"),
    (REGISTER, 422, "signup_disabled", 403, "sign_up_disabled"),
    (REGISTER, 422, "email_provider_disabled", 403, "sign_up_disabled"),
    (REGISTER, 400, "validation_failed", 422, "validation_failed"),
    (REGISTER, 400, "email_address_invalid", 422, "validation_failed"),
    (REGISTER, 429, "over_email_send_rate_limit", 429, "too_many_requests"),
    (REFRESH, 400, "refresh_token_not_found", 401, "invalid_refresh_token"),
    (REFRESH, 400, "refresh_token_already_used", 401, "refresh_token_reused"),
    (REFRESH, 400, "session_expired", 401, "session_expired"),
    (REFRESH, 400, "session_not_found", 401, "invalid_refresh_token"),
    (REFRESH, 400, "validation_failed", 401, "invalid_refresh_token"),
    (REFRESH, 400, "user_banned", 401, "invalid_refresh_token"),
    (REFRESH, 409, "conflict", 409, "conflict"),
]


def answers(supabase: respx.MockRouter, call: str, **how: Any) -> respx.Route:
    """Let Supabase Auth answer a call."""
    return supabase.post(call.partition("?")[0]).mock(**how)


@pytest.mark.parametrize("old", [False, True], ids=["new form", "old form"])
@pytest.mark.parametrize(("call", "status", "code", "our_status", "our_code"), TRANSLATED)
async def test_each_error_has_one_of_ours(
    api: httpx.AsyncClient,
    supabase: respx.MockRouter,
    call: str,
    status: int,
    code: str,
    our_status: int,
    our_code: str,
    old: bool,
) -> None:
    answers(supabase, call, return_value=project.refusal(status, code, old=old))
    answer = await CALLS[call](api)
    assert error_of(answer) == (our_status, our_code)
    assert "stays behind" not in answer.text
    assert ("Retry-After" in answer.headers) == (our_status in {429, 503})
    assert ("WWW-Authenticate" in answer.headers) == (our_status == 401)


@pytest.mark.parametrize("old", [False, True], ids=["new form", "old form"])
@pytest.mark.parametrize(
    ("weak", "reasons"),
    [
        ({"weak_password": {"reasons": ["length", "characters"]}}, ["length", "characters"]),
        ({"weak_password": {"reasons": ["pwned", 7, None]}}, ["pwned"]),
        ({"weak_password": {"reasons": "length"}}, []),
        ({"weak_password": None}, []),
        ({}, []),
    ],
    ids=["reasons", "odd reasons", "no list", "null", "nothing"],
)
async def test_a_weak_password_comes_with_its_reasons_if_there_are_any(
    api: httpx.AsyncClient, supabase: respx.MockRouter, weak: dict[str, Any], reasons: list[str], old: bool
) -> None:
    answers(supabase, REGISTER, return_value=project.refusal(422, "weak_password", old=old, **weak))
    answer = await register(api)
    assert error_of(answer) == (422, "weak_password")
    assert (answer.json()["error"]["details"], answer.json()["error"]["field"]) == (reasons, "password")


async def test_an_unknown_error_names_its_code_to_developers(
    api: httpx.AsyncClient, supabase: respx.MockRouter
) -> None:
    answers(supabase, LOGIN, return_value=project.refusal(400, "captcha_failed"))
    assert (await login(api)).json()["error"]["details"] == {"supabase_code": "captcha_failed"}


LATER = "in 300 seconds"  # a date that is written when the test runs, which may be long after it was collected
WAITS = [
    ({"Retry-After": "42"}, "", range(42, 43)),
    ({"Retry-After": LATER}, "", range(200, 301)),
    ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, "", range(1, 2)),
    ({"Retry-After": "99999999"}, "", range(MAX_RETRY_SECONDS, MAX_RETRY_SECONDS + 1)),
    ({"Retry-After": "soon"}, "", range(RETRY_SECONDS, RETRY_SECONDS + 1)),
    ({}, "For security purposes, you can only request this after 57 seconds.", range(57, 58)),
    ({}, "email rate limit exceeded", range(RETRY_SECONDS, RETRY_SECONDS + 1)),
]


@pytest.mark.parametrize(("headers", "sentence", "seconds"), WAITS)
async def test_a_rate_limit_says_when_to_come_back(
    api: httpx.AsyncClient, supabase: respx.MockRouter, headers: dict[str, str], sentence: str, seconds: range
) -> None:
    if headers.get("Retry-After") == LATER:
        headers = {"Retry-After": format_datetime(datetime.now(UTC) + timedelta(seconds=300), usegmt=True)}
    body = {"code": "over_email_send_rate_limit", "message": sentence}
    answers(supabase, REGISTER, return_value=httpx.Response(429, json=body, headers=headers))
    answer = await register(api)
    assert error_of(answer) == (429, "too_many_requests")
    assert int(answer.headers["Retry-After"]) in seconds


async def test_a_gateways_rate_limit_is_one_too(api: httpx.AsyncClient, supabase: respx.MockRouter) -> None:
    answers(supabase, LOGIN, return_value=project.gateway(429))
    assert error_of(await login(api)) == (429, "too_many_requests")


async def endless() -> AsyncIterator[bytes]:
    yield b"{"
    await asyncio.Event().wait()


TROUBLE: dict[str, dict[str, Any]] = {
    "refused": {"side_effect": httpx.ConnectError("10.0.0.7:443 refused")},
    "slow to connect": {"side_effect": httpx.ConnectTimeout},
    "slow to answer": {"side_effect": httpx.ReadTimeout},
    "no connection free": {"side_effect": httpx.PoolTimeout},
    "broken off": {"side_effect": httpx.RemoteProtocolError},
    "drop by drop": {"side_effect": lambda _: httpx.Response(200, content=endless())},
    "broken compression": {"return_value": httpx.Response(200, headers={"Content-Encoding": "gzip"}, content=b"x")},
    "a redirect": {"return_value": httpx.Response(302, headers={"Location": "https://elsewhere.test"})},
    **{f"a gateway's {status}": {"return_value": project.gateway(status)} for status in (401, 403, 404, 500, 502, 503)},
    "a paused project": {"return_value": project.gateway(540)},
    "a cloud in between": {"return_value": project.gateway(522)},
    "a wrong key": {"return_value": httpx.Response(401, json={"message": "Invalid API key", "hint": SECRET_KEY})},
    "a failure in JSON": {"return_value": httpx.Response(503, json=["down"])},
    "no content": {"return_value": httpx.Response(204)},
    "html": {"return_value": httpx.Response(200, html="<html>")},
    "not utf-8": {"return_value": httpx.Response(200, content=b'{"user": "\xff"}')},
    "nothing": {"return_value": httpx.Response(200, json=None)},
    "an array": {"return_value": httpx.Response(200, json=[])},
    "an empty object": {"return_value": httpx.Response(200, json={})},
    "nesting": {"return_value": httpx.Response(200, content=b"[" * 100_000)},
    "a session without a user": {"return_value": httpx.Response(200, json={**project.session(), "user": None})},
    "a user without a UUID": {"return_value": httpx.Response(200, json=project.session(id="7"))},
    "a user in words": {"return_value": httpx.Response(200, json=project.session(created_at="yesterday"))},
    "another session": {"return_value": httpx.Response(200, json={**project.session(), "expires_in": "soon"})},
}


@pytest.mark.parametrize("trouble", TROUBLE.values(), ids=TROUBLE)
@pytest.mark.parametrize("call", CALLS)
async def test_whatever_goes_wrong_there_is_a_503_that_says_when_to_come_back(
    api: httpx.AsyncClient,
    supabase: respx.MockRouter,
    monkeypatch: pytest.MonkeyPatch,
    log_lines: LogLines,
    call: str,
    trouble: dict[str, Any],
) -> None:
    monkeypatch.setattr(accounts, "CALL_SECONDS", 0.2)
    answers(supabase, call, **trouble)
    answer = await CALLS[call](api)
    assert error_of(answer) == (503, "auth_unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
    told = f"{answer.text} {log_lines()}"
    for secret in (SECRET_KEY, PUBLISHABLE_KEY, PASSWORD, "10.0.0.7", "a-refresh-token", "supabase.test"):
        assert secret not in told


@pytest.mark.parametrize("status", [400, 409, 418, 422])
async def test_a_refusal_without_a_code_is_a_bad_request(
    api: httpx.AsyncClient, supabase: respx.MockRouter, status: int
) -> None:
    bodies: list[Any] = [{"error": "invalid_grant"}, [], "text", {"code": ["x"], "error_code": 7}, {"code": "A Code!"}]
    for body in bodies:
        answers(supabase, LOGIN, return_value=httpx.Response(status, json=body))
        assert error_of(await login(api)) == (400, "bad_request")


async def test_a_session_where_none_was_asked_for_is_no_session(
    api: httpx.AsyncClient, supabase: respx.MockRouter
) -> None:
    answers(supabase, LOGIN, return_value=httpx.Response(200, json=project.user()))
    for call in (login, refresh):
        assert error_of(await call(api)) == (503, "auth_unavailable")


@pytest.mark.parametrize("trouble", ["refused", "slow to answer", "a gateway's 502", "a wrong key"])
async def test_signing_out_and_changing_a_password_fail_in_the_same_way(
    api: httpx.AsyncClient, supabase: respx.MockRouter, ada: Person, trouble: str
) -> None:
    for method, path in (("POST", "/logout"), ("GET", "/user")):
        supabase.request(method, path).mock(**TROUBLE[trouble])
    for call in (logout, change_password):
        assert error_of(await call(api, ada)) == (503, "auth_unavailable")


@pytest.mark.parametrize(
    ("code", "status", "ours"),
    [
        ("same_password", 422, (422, "same_password")),
        ("reauthentication_needed", 400, (403, "reauthentication_needed")),
        ("reauthentication_not_valid", 422, (403, "reauthentication_invalid")),
        ("current_password_mismatch", 400, (403, "wrong_password")),
        ("insufficient_aal", 401, (403, "permission_denied")),
        ("session_not_found", 403, (401, "session_ended")),
        ("user_not_found", 403, (401, "session_ended")),
        ("bad_jwt", 403, (401, "invalid_token")),
    ],
)
async def test_a_password_change_is_refused_for_a_reason(
    api: httpx.AsyncClient, supabase: respx.MockRouter, ada: Person, code: str, status: int, ours: tuple[int, str]
) -> None:
    supabase.get("/user").respond(json=project.user(id=str(ada.id)))
    supabase.post("/token").respond(json=project.session())
    supabase.post("/logout").respond(204)
    supabase.put("/user").mock(return_value=project.refusal(status, code))
    assert error_of(await change_password(api, ada)) == ours


async def test_guessing_ends_before_it_gets_to_supabase(api: httpx.AsyncClient, supabase: respx.MockRouter) -> None:
    """There it would be counted by our own address, together with everybody else's mistakes."""
    route = answers(supabase, LOGIN, return_value=project.refusal(400, "invalid_credentials"))
    seen = [error_of(await login(api, "victim@example.com")) for _ in range(12)]
    assert seen[9:] == [(401, "invalid_credentials"), (429, "too_many_attempts"), (429, "too_many_attempts")]
    assert route.call_count == 10


async def test_an_outage_locks_nobody_out(api: httpx.AsyncClient, supabase: respx.MockRouter) -> None:
    answers(supabase, LOGIN, return_value=project.gateway(502))
    for _ in range(15):
        assert error_of(await login(api, "eager@example.com")) == (503, "auth_unavailable")
    answers(supabase, LOGIN, return_value=httpx.Response(200, json=project.session()))
    assert (await login(api, "eager@example.com")).status_code == 200


async def test_an_outage_forgives_nobody_what_they_have_guessed(
    api: httpx.AsyncClient, supabase: respx.MockRouter
) -> None:
    wrong, down = project.refusal(400, "invalid_credentials"), project.gateway(502)
    seen = list[tuple[int, str]]()
    for answer in [wrong] * 9 + [down] * 3 + [wrong] * 2:
        answers(supabase, LOGIN, return_value=answer)
        seen.append(error_of(await login(api, "patient@example.com")))
    assert seen[9:] == [(503, "auth_unavailable")] * 3 + [(401, "invalid_credentials"), (429, "too_many_attempts")]


@pytest.mark.parametrize("body", [rb'{"email": "a@example.com", "password": "\ud800"}', b'{"email": "a@example.com"}'])
async def test_what_cannot_be_sent_on_is_refused_here(
    api: httpx.AsyncClient, supabase: respx.MockRouter, body: bytes
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await api.post("/api/v1/auth/login", content=body, headers=headers)
    assert answer.status_code in {400, 422}
    assert not supabase.calls


async def test_only_the_projects_own_tokens_are_shown_to_it(
    serve: Serve, supabase: respx.MockRouter, settings: Any, new_person: Callable[[], Person]
) -> None:
    """Ours are accepted beside them, and are none of Supabase Auth's business."""
    async with serve(jwt_signing_keys=settings.signing_keys) as api:
        for call in (logout, change_password):
            assert error_of(await call(api, new_person())) == (403, "permission_denied")
    assert not supabase.calls
