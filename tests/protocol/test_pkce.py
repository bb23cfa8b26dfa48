"""Links that only open where they were asked for (PKCE): followed, they give a code, and the code wants its secret."""

import asyncio
import json
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import httpx
import pytest

from tests.protocol.conftest import Admin
from tests.protocol.project import (
    PASSWORD,
    SITE,
    Json,
    Project,
    claims_of,
    code_in,
    fragment_of,
    good,
    link_in,
    new_email,
    refused,
    token_in,
)

VERIFIER = "a-secret-that-the-browser-keeps-to-itself-0123456789"
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
PKCE = {"code_challenge": CHALLENGE, "code_challenge_method": "s256"}
ACCEPTED = "Confirmation link accepted. Please proceed to confirm link sent to the other email"

# What is asked for, and how the session says that it was begun.
REQUESTS: dict[str, tuple[Json, str]] = {
    "signup": ({"password": PASSWORD}, "email/signup"),
    "otp": ({}, "magiclink"),
    "magiclink": ({}, "magiclink"),
    "recover": ({}, "recovery"),
    "resend": ({"type": "signup"}, "email/signup"),
}


async def ask(project: Project, path: str, email: str, **changes: Any) -> str:
    """The link of a mail that was asked for with a challenge."""
    form = {"email": email, **REQUESTS[path.partition("?")[0]][0], **PKCE, **changes}
    good(await project.post(path, form))
    return link_in(project.mails(email)[0])


async def follow(project: Project, link: str) -> tuple[dict[str, str], str]:
    """Query and fragment of where a link leads."""
    answer = await project.http.get(link)
    assert answer.status_code == 303, answer.text
    parts = urlsplit(answer.headers["location"])
    assert f"{parts.scheme}://{parts.netloc}" == SITE
    return dict(parse_qsl(parts.query)), parts.fragment


async def exchange(project: Project, code: str, verifier: str = VERIFIER) -> httpx.Response:
    return await project.post("token?grant_type=pkce", {"auth_code": code, "code_verifier": verifier})


@pytest.fixture
async def newcomer(confirming: Project) -> str:
    email = new_email()
    await confirming.sign_up(email)
    return email


@pytest.fixture
async def code(confirming: Project) -> str:
    """The code of a link that was followed."""
    query, _ = await follow(confirming, await ask(confirming, "otp", new_email()))
    return query["code"]


@pytest.mark.parametrize("path", REQUESTS)
async def test_a_link_gives_a_code_and_the_code_a_session(confirming: Project, path: str) -> None:
    email = new_email()
    if path in {"recover", "resend"}:
        await confirming.sign_up(email)
    link = await ask(confirming, path, email)
    query, fragment = await follow(confirming, link)
    assert (list(query), fragment) == (["code"], "")
    session = good(await exchange(confirming, query["code"]))
    assert session.keys() == {"access_token", "token_type", "expires_in", "expires_at", "refresh_token", "user"}
    assert session["user"]["email"] == email
    assert session["user"]["email_confirmed_at"]
    assert [how["method"] for how in claims_of(session)["amr"]] == [REQUESTS[path][1]]
    good(await confirming.user(session["access_token"]))
    good(await confirming.refresh(session["refresh_token"]))


@pytest.mark.parametrize(
    ("method", "challenge"), [("S256", CHALLENGE), ("plain", VERIFIER), ("PLAIN", VERIFIER)], ids=str.lower
)
async def test_both_methods_are_known_in_any_case(confirming: Project, method: str, challenge: str) -> None:
    form = {"code_challenge": challenge, "code_challenge_method": method}
    query, _ = await follow(confirming, await ask(confirming, "otp", new_email(), **form))
    refused(await exchange(confirming, query["code"], CHALLENGE), 400, "bad_code_verifier")
    good(await exchange(confirming, query["code"]))


async def test_a_code_wants_its_secret(confirming: Project, code: str) -> None:
    for wrong in (f"{VERIFIER}x", CHALLENGE, "x", "\u00e9"):
        message = "code challenge does not match previously saved code verifier"
        refused(await exchange(confirming, code, wrong), 400, "bad_code_verifier", message)
    good(await exchange(confirming, code))


async def test_a_code_works_once_however_many_try(confirming: Project, code: str) -> None:
    answers = await asyncio.gather(*(exchange(confirming, code) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200, *[404] * 9]
    message = "invalid flow state, no valid flow state found"
    refused(await exchange(confirming, code), 404, "flow_state_not_found", message)


async def test_a_code_expires_after_five_minutes(confirming: Project, code: str, admin: Admin) -> None:
    age = "update auth.flow_state set auth_code_issued_at = auth_code_issued_at - %s * interval '1 s'"
    admin.execute(age, (305,))
    refused(await exchange(confirming, code), 422, "flow_state_expired", "invalid flow state, flow state has expired")
    admin.execute(age, (-60,))
    good(await exchange(confirming, code))


@pytest.mark.parametrize(
    "form", [{}, {"auth_code": "x"}, {"code_verifier": "x"}, {"auth_code": "", "code_verifier": ""}]
)
async def test_code_and_secret_are_both_needed(confirming: Project, form: Json) -> None:
    message = "invalid request: both auth code and code verifier should be non-empty"
    refused(await confirming.post("token?grant_type=pkce", form), 400, "validation_failed", message)


@pytest.mark.parametrize("unknown", ["x", "\x00", "\ud800", "x" * 10_000], ids=["x", "NUL", "half", "long"])
async def test_an_unknown_code_is_not_found(confirming: Project, unknown: str) -> None:
    body = json.dumps({"auth_code": unknown, "code_verifier": unknown})
    refused(await confirming.call("POST", "token?grant_type=pkce", content=body), 404, "flow_state_not_found")


BAD_CHALLENGES: dict[str, Json] = {
    "no method": {"code_challenge_method": None},
    "no challenge": {"code_challenge": None},
    "an empty challenge": {"code_challenge": ""},
    "too short": {"code_challenge": "x" * 42},
    "too long": {"code_challenge": "x" * 129},
    "other characters": {"code_challenge": "+" * 43},
    "an unknown method": {"code_challenge_method": "md5"},
    "a number": {"code_challenge": 7},
}


@pytest.mark.parametrize("form", BAD_CHALLENGES.values(), ids=BAD_CHALLENGES)
async def test_a_challenge_of_another_form_is_refused_and_nothing_mailed(confirming: Project, form: Json) -> None:
    email = new_email()
    for path, (other, _) in REQUESTS.items():
        refused(await confirming.post(path, {"email": email, **other, **PKCE, **form}), 400, "validation_failed")
    assert confirming.mails(email) == []


async def test_without_a_challenge_clients_send_nothing_in_its_place(confirming: Project, newcomer: str) -> None:
    link = await ask(confirming, "otp", newcomer, code_challenge="", code_challenge_method="")
    assert "access_token" in fragment_of(await confirming.http.get(link))


async def test_a_code_from_the_mail_or_its_hash_needs_no_secret(confirming: Project, newcomer: str) -> None:
    """They are typed in, or posted by a server that asked for them: no browser history holds them."""
    await ask(confirming, "otp", newcomer)
    form = {"type": "email", "email": newcomer, "token": code_in(confirming.mails(newcomer)[0])}
    assert good(await confirming.post("verify", form))["user"]["email"] == newcomer
    await ask(confirming, "otp", newcomer)
    form = {"type": "email", "token_hash": token_in(confirming.mails(newcomer)[0])}
    assert good(await confirming.post("verify", form))["user"]["email"] == newcomer


async def test_a_link_without_its_prefix_is_another(confirming: Project, newcomer: str) -> None:
    link = await ask(confirming, "otp", newcomer)
    assert fragment_of(await confirming.http.get(link.replace("token=pkce_", "token=")))["error_code"] == "otp_expired"
    assert (await follow(confirming, link))[0].keys() == {"code"}


async def test_a_link_that_was_asked_for_without_a_challenge_gets_no_prefix(confirming: Project, newcomer: str) -> None:
    link = link_in(confirming.mails(newcomer)[0])
    query, _ = await follow(confirming, link.replace("token=", "token=pkce_"))
    assert query["error_code"] == "otp_expired"
    assert "access_token" in fragment_of(await confirming.http.get(link))


async def test_what_is_wrong_with_a_link_is_said_to_server_and_browser(confirming: Project, newcomer: str) -> None:
    link = await ask(confirming, "otp", newcomer)
    await follow(confirming, link)
    query, fragment = await follow(confirming, link)
    reason = {
        "error": "access_denied",
        "error_code": "otp_expired",
        "error_description": "Token has expired or is invalid",
    }
    assert query == dict(parse_qsl(fragment)) == reason


async def test_the_latest_link_belongs_to_the_latest_challenge(confirming: Project, newcomer: str) -> None:
    first = await ask(confirming, "recover", newcomer)
    second = await ask(confirming, "otp", newcomer, code_challenge="x" * 43, code_challenge_method="plain")
    assert (await follow(confirming, first))[0]["error_code"] == "otp_expired"
    query, _ = await follow(confirming, second)
    refused(await exchange(confirming, query["code"]), 400, "bad_code_verifier")
    good(await exchange(confirming, query["code"], "x" * 43))


async def test_a_link_without_its_challenge_gives_nothing(confirming: Project, newcomer: str, admin: Admin) -> None:
    link = await ask(confirming, "otp", newcomer)
    admin.execute(
        "delete from auth.flow_state where user_id = (select id from auth.users where email = %s)", (newcomer,)
    )
    query, _ = await follow(confirming, link)
    assert query["error_code"] == "flow_state_not_found"


async def test_an_address_keeps_its_query_and_its_fragment(confirming: Project, newcomer: str) -> None:
    wanted = f"{SITE}/callback?next=%2Ftasks&code=old&sb_flow_id=7#top"
    link = await ask(confirming, f"otp?redirect_to={quote(wanted, safe='')}", newcomer)
    location = (await confirming.http.get(link)).headers["location"]
    base, _, rest = location.partition("&code=")
    assert base == f"{SITE}/callback?next=%2Ftasks&sb_flow_id=7"
    code, _, fragment = rest.partition("#")
    assert fragment == "top"
    good(await exchange(confirming, code))


@pytest.mark.parametrize("first", ["old", "new"])
async def test_both_emails_confirm_a_change_and_the_second_gives_the_code(
    auto: Project, grace: Json, email: str, first: str
) -> None:
    wanted = new_email()
    good(await auto.change(grace["access_token"], email=wanted, **PKCE))
    links = [link_in(auto.mails(address)[0]) for address in (email, wanted)]
    one, other = links if first == "old" else reversed(links)
    query, fragment = await follow(auto, one)
    assert query == dict(parse_qsl(fragment)) == {"message": ACCEPTED}
    query, _ = await follow(auto, other)
    session = good(await exchange(auto, query["code"]))
    assert session["user"]["email"] == wanted
    assert [how["method"] for how in claims_of(session)["amr"]] == ["email_change"]


async def test_a_change_that_is_mailed_again_may_have_a_challenge(auto: Project, grace: Json, email: str) -> None:
    wanted = new_email()
    good(await auto.change(grace["access_token"], email=wanted))
    good(await auto.post("resend", {"type": "email_change", "email": wanted, **PKCE}))
    await follow(auto, link_in(auto.mails(email)[0]))
    query, _ = await follow(auto, link_in(auto.mails(wanted)[0]))
    good(await exchange(auto, query["code"]))


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ("update auth.users set banned_until = now() + interval '1 day'", 400, "user_banned"),
        ("delete from auth.users", 404, "flow_state_not_found"),
    ],
)
async def test_whoever_may_not_sign_in_any_more_gets_nothing_for_a_code(
    confirming: Project, newcomer: str, admin: Admin, change: str, status: int, error: str
) -> None:
    query, _ = await follow(confirming, await ask(confirming, "otp", newcomer))
    admin.execute(f"{change} where email = %s", (newcomer,))
    refused(await exchange(confirming, query["code"]), status, error)


async def test_nothing_that_could_be_replayed_is_stored(confirming: Project, newcomer: str, admin: Admin) -> None:
    query, _ = await follow(confirming, await ask(confirming, "otp", newcomer))
    rows = admin.execute("select to_jsonb(f)::text from auth.flow_state f").fetchall()
    assert rows
    assert not any(query["code"] in row or VERIFIER in row for (row,) in rows)


async def test_with_auto_confirm_a_sign_up_needs_no_link(auto: Project) -> None:
    assert "access_token" in await auto.sign_up(**PKCE)


async def test_links_of_administrators_need_no_challenge(auto: Project, email: str) -> None:
    made = good(await auto.administer("POST", "generate_link", json={"type": "magiclink", "email": email, **PKCE}))
    assert "access_token" in fragment_of(await auto.http.get(made["action_link"]))
