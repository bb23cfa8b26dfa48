"""Refresh tokens are used once: a client that lost an answer is forgiven, a thief ends the session."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from api_main.auth.refresh_tokens import RefreshToken, new_key
from tests.auth.calls import AUTH, assert_refused, bearer, read_me, refresh, sign_in, tokens_of
from tests.people import Person

Admin = psycopg.Connection[Any]


@pytest.fixture
async def tokens(client: httpx.AsyncClient, grace: Person) -> dict[str, Any]:
    return await sign_in(client, grace.email)


def session_of(tokens: dict[str, Any]) -> UUID:
    return RefreshToken.parse(tokens["refresh_token"]).session


def let_time_pass(admin: Admin, tokens: dict[str, Any], seconds: int = 11) -> None:
    admin.execute(
        "update auth.sessions set refreshed_at = refreshed_at - make_interval(secs => %s) where id = %s",
        (seconds, session_of(tokens)),
    )


def is_gone(admin: Admin, tokens: dict[str, Any]) -> bool:
    return admin.execute("select from auth.sessions where id = %s", (session_of(tokens),)).fetchone() is None


async def next_tokens(client: httpx.AsyncClient, tokens: dict[str, Any]) -> dict[str, Any]:
    return tokens_of(await refresh(client, tokens["refresh_token"]))


async def test_each_refresh_gives_new_tokens_of_the_same_session(
    client: httpx.AsyncClient, tokens: dict[str, Any]
) -> None:
    """So many that the counter grows to two bytes."""
    seen = {tokens["refresh_token"]}
    for count in range(1, 131):
        following = await next_tokens(client, tokens)
        assert RefreshToken.parse(following["refresh_token"]).counter == count
        assert session_of(following) == session_of(tokens)
        assert following["refresh_token"] not in seen
        seen.add(following["refresh_token"])
        tokens = following
    assert (await read_me(client, tokens["access_token"])).status_code == 200


async def test_the_token_before_answers_with_the_present_one_at_any_time(
    client: httpx.AsyncClient, admin: Admin, tokens: dict[str, Any]
) -> None:
    second = await next_tokens(client, tokens)
    let_time_pass(admin, tokens, 86_400)
    again = await next_tokens(client, tokens)
    assert again["refresh_token"] == second["refresh_token"]
    assert (await read_me(client, again["access_token"])).status_code == 200
    third = await next_tokens(client, second)
    assert RefreshToken.parse(third["refresh_token"]).counter == 2


async def test_an_older_token_is_forgiven_for_ten_seconds(
    client: httpx.AsyncClient, admin: Admin, tokens: dict[str, Any]
) -> None:
    third = await next_tokens(client, await next_tokens(client, tokens))
    let_time_pass(admin, tokens, 8)
    assert (await next_tokens(client, tokens))["refresh_token"] == third["refresh_token"]
    assert not is_gone(admin, tokens)


async def test_an_older_token_after_ten_seconds_ends_the_session_for_thief_and_owner(
    client: httpx.AsyncClient, admin: Admin, tokens: dict[str, Any]
) -> None:
    second = await next_tokens(client, tokens)
    third = await next_tokens(client, second)
    let_time_pass(admin, tokens)
    assert_refused(await refresh(client, tokens["refresh_token"]), 401, "refresh_token_reused")
    assert is_gone(admin, tokens)
    for each in (tokens, second, third):
        assert_refused(await refresh(client, each["refresh_token"]), 401, "invalid_refresh_token")
        assert_refused(await read_me(client, each["access_token"]), 401, "session_ended")


async def test_reuse_ends_no_other_session(
    client: httpx.AsyncClient, admin: Admin, grace: Person, tokens: dict[str, Any]
) -> None:
    other = await sign_in(client, grace.email)
    await next_tokens(client, await next_tokens(client, tokens))
    let_time_pass(admin, tokens)
    assert_refused(await refresh(client, tokens["refresh_token"]), 401, "refresh_token_reused")
    assert (await refresh(client, other["refresh_token"])).status_code == 200


async def test_twenty_refreshes_at_once_are_one(client: httpx.AsyncClient, tokens: dict[str, Any]) -> None:
    answers = await asyncio.gather(*(next_tokens(client, tokens) for _ in range(20)))
    assert {RefreshToken.parse(each["refresh_token"]).counter for each in answers} == {1}
    assert len({each["refresh_token"] for each in answers}) == 1


async def test_twenty_chains_at_once_stay_one_lineage(
    client: httpx.AsyncClient, admin: Admin, tokens: dict[str, Any]
) -> None:
    """Twenty tabs of one browser, each of which refreshes with whatever it got last."""

    async def tab() -> int:
        latest = tokens
        for _ in range(5):
            latest = await next_tokens(client, latest)
        return RefreshToken.parse(latest["refresh_token"]).counter

    counters = await asyncio.gather(*(tab() for _ in range(20)))
    stored = admin.execute(
        "select refresh_token_counter from auth.sessions where id = %s", (session_of(tokens),)
    ).fetchone()
    assert stored == (max(counters),)
    assert min(counters) >= 5


async def test_a_refresh_waits_for_another_replicas_and_goes_on_from_there(
    client: httpx.AsyncClient, admin: Admin, tokens: dict[str, Any]
) -> None:
    """Without the row lock it would count on from what it had read, and set the counter back."""
    with admin.transaction():
        admin.execute(
            "update auth.sessions set refresh_token_counter = 2, refreshed_at = now() at time zone 'utc' where id = %s",
            (session_of(tokens),),
        )
        waiting = asyncio.create_task(next_tokens(client, tokens))
        await asyncio.sleep(0.2)
        assert not waiting.done()
    assert RefreshToken.parse((await waiting)["refresh_token"]).counter == 2


async def test_nothing_that_could_be_replayed_is_stored(admin: Admin, tokens: dict[str, Any]) -> None:
    row = admin.execute("select to_jsonb(s)::text from auth.sessions s where id = %s", (session_of(tokens),)).fetchone()
    assert row is not None
    assert tokens["refresh_token"] not in row[0]
    assert tokens["access_token"] not in row[0]


def forged(tokens: dict[str, Any], key: str, counter: int = 0) -> str:
    return RefreshToken.issue(session_of(tokens), counter, key)


async def test_what_is_no_refresh_token_of_ours_is_refused(
    client: httpx.AsyncClient, admin: Admin, tokens: dict[str, Any]
) -> None:
    text = tokens["refresh_token"]
    for other in (
        *("", "x", "\x00", "\u00e9", "a" * 1024, tokens["access_token"][:1024], "v1.MRrzlyGxUEBxpVYA"),
        *(text[:-1], text + "A", text.swapcase(), text[::-1]),
        *(forged(tokens, new_key()), forged(tokens, ""), forged(tokens, new_key(), 2**62)),
        RefreshToken.issue(uuid4(), 0, new_key()),
    ):
        response = await client.post(f"{AUTH}/refresh", json={"refresh_token": other})
        assert_refused(response, 401, "invalid_refresh_token")
    assert not is_gone(admin, tokens)
    assert (await refresh(client, text)).status_code == 200


@pytest.mark.parametrize("key", ["", None])
async def test_a_session_without_a_key_has_no_refresh_tokens(
    client: httpx.AsyncClient, admin: Admin, tokens: dict[str, Any], key: str | None
) -> None:
    """Its id stands in each access token: who finds one must not be able to make a refresh token of it."""
    admin.execute("update auth.sessions set refresh_token_hmac_key = %s where id = %s", (key, session_of(tokens)))
    assert_refused(await refresh(client, forged(tokens, "")), 401, "invalid_refresh_token")


async def test_a_session_that_is_over_is_not_refreshed(
    client: httpx.AsyncClient, admin: Admin, tokens: dict[str, Any]
) -> None:
    admin.execute("update auth.sessions set not_after = now() + interval '1 hour' where id = %s", (session_of(tokens),))
    tokens = await next_tokens(client, tokens)
    admin.execute("update auth.sessions set not_after = now() where id = %s", (session_of(tokens),))
    assert_refused(await refresh(client, tokens["refresh_token"]), 401, "session_expired")
    assert_refused(await read_me(client, tokens["access_token"]), 401, "session_ended")


async def test_a_session_that_never_was_refreshed_forgives_nothing(
    client: httpx.AsyncClient, admin: Admin, tokens: dict[str, Any]
) -> None:
    admin.execute("update auth.sessions set refresh_token_counter = 5 where id = %s", (session_of(tokens),))
    assert_refused(await refresh(client, tokens["refresh_token"]), 401, "refresh_token_reused")


@pytest.mark.parametrize("form", [{}, {"refresh_token": None}, {"refresh_token": 7}, {"refresh_token": "x" * 1025}])
async def test_a_form_without_a_token_is_invalid(client: httpx.AsyncClient, form: dict[str, Any]) -> None:
    assert_refused(await client.post(f"{AUTH}/refresh", json=form), 422, "validation_failed", "refresh_token")


async def test_a_refresh_token_is_no_bearer_token(client: httpx.AsyncClient, tokens: dict[str, Any]) -> None:
    response = await client.get("/api/v1/tasks", headers=bearer(tokens["refresh_token"]))
    assert_refused(response, 401, "invalid_token")


async def test_an_expired_access_token_does_not_keep_anybody_from_refreshing(
    client: httpx.AsyncClient, tokens: dict[str, Any]
) -> None:
    """Clients send it along all the same."""
    form = {"refresh_token": tokens["refresh_token"]}
    assert (await client.post(f"{AUTH}/refresh", json=form, headers=bearer("expired"))).status_code == 200
