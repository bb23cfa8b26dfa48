"""Guessing ends after ten failures, for e-mails with and without an account alike."""

import asyncio
import time
from collections import Counter
from typing import Any

import httpx
import limits.aio.storage.memory
import pytest

from api_main.auth.errors import TooManyAttempts
from api_main.auth.lockout import ATTEMPTS, Lockout
from tests.auth.calls import PASSWORD, assert_refused, change_password, login, new_email, read_me, sign_in
from tests.clock import Clock
from tests.conftest import NewPerson
from tests.people import Person

LIMIT = 10
WINDOW = 15 * 60


@pytest.fixture
def counting_clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the counters."""
    clock = Clock(time.time())
    monkeypatch.setattr(limits.aio.storage.memory, "time", clock)
    monkeypatch.setattr("api_main.auth.lockout.time", clock)
    return clock


async def fail(client: httpx.AsyncClient, email: str, times: int) -> None:
    for _ in range(times):
        assert_refused(await login(client, email, "wrong"), 401, "invalid_credentials")


def assert_locked_out(response: httpx.Response) -> None:
    assert_refused(response, 429, "too_many_attempts")
    assert WINDOW - 60 < int(response.headers["Retry-After"]) <= WINDOW + 1


@pytest.mark.parametrize("is_known", [True, False])
async def test_after_ten_failures_nobody_gets_in(client: httpx.AsyncClient, grace: Person, is_known: bool) -> None:
    email = grace.email if is_known else new_email()
    await fail(client, email, LIMIT)
    assert_locked_out(await login(client, email, "wrong"))
    assert_locked_out(await login(client, email, PASSWORD))
    assert_locked_out(await login(client, email.upper(), PASSWORD))


async def test_a_lock_out_holds_for_one_email_alone(client: httpx.AsyncClient, grace: Person) -> None:
    other = new_email()
    await fail(client, other, LIMIT)
    assert_locked_out(await login(client, other))
    assert (await login(client, grace.email)).status_code == 200


async def test_success_forgets_earlier_failures(client: httpx.AsyncClient, grace: Person) -> None:
    for _ in range(3):
        await fail(client, grace.email, LIMIT - 1)
        assert (await login(client, grace.email)).status_code == 200
    await fail(client, grace.email, LIMIT)
    assert_locked_out(await login(client, grace.email))


@pytest.mark.parametrize("is_known", [True, False])
async def test_fifty_guesses_at_once_do_not_get_past_it(
    client: httpx.AsyncClient, grace: Person, is_known: bool
) -> None:
    email = grace.email if is_known else new_email()
    answers = await asyncio.gather(*(login(client, email, f"guess {number}") for number in range(50)))
    assert Counter(answer.status_code for answer in answers) == {401: LIMIT, 429: 50 - LIMIT}


async def test_live_sessions_are_none_the_wiser(client: httpx.AsyncClient, grace: Person) -> None:
    tokens = await sign_in(client, grace.email)
    await fail(client, grace.email, LIMIT)
    assert_locked_out(await login(client, grace.email))
    assert (await read_me(client, tokens["access_token"])).status_code == 200


async def test_guessing_the_present_password_is_guessing_too(client: httpx.AsyncClient, grace: Person) -> None:
    for _ in range(LIMIT):
        refused = await change_password(client, grace.token, "wrong", "another password")
        assert_refused(refused, 403, "wrong_password", "current_password")
    assert_locked_out(await change_password(client, grace.token, PASSWORD, "another password"))
    assert_locked_out(await login(client, grace.email))


async def test_accounts_without_an_email_do_not_lock_each_other_out(
    client: httpx.AsyncClient, new_person: NewPerson, quick_hash: str
) -> None:
    first, second = (new_person(email=None, encrypted_password=quick_hash) for _ in range(2))
    for _ in range(LIMIT + 1):
        refused = await change_password(client, first.token, "wrong", "another password")
    assert_locked_out(refused)
    assert (await change_password(client, second.token, PASSWORD, "another password")).status_code == 204


async def test_a_lock_out_ends_when_its_time_is_over(counting_clock: Clock) -> None:
    lockout = Lockout()
    for _ in range(LIMIT):
        await lockout.begin("grace")
    counting_clock.advance(WINDOW - 1)
    with pytest.raises(TooManyAttempts) as refused:
        await lockout.begin("grace")
    assert refused.value.headers == {"Retry-After": "2"}
    counting_clock.advance(1)
    await lockout.begin("grace")


async def test_attempts_while_locked_out_do_not_prolong_it(counting_clock: Clock) -> None:
    lockout = Lockout()
    for second in range(WINDOW):
        counting_clock.advance(1)
        if second < LIMIT:
            await lockout.begin("grace")
        else:
            with pytest.raises(TooManyAttempts):
                await lockout.begin("grace")
    counting_clock.advance(2)
    await lockout.begin("grace")


async def test_what_is_over_takes_no_memory(counting_clock: Clock) -> None:
    lockout = Lockout()
    for number in range(1000):
        await lockout.begin(f"unknown {number}")
    storage: Any = lockout._limiter.storage
    assert len(storage.storage) == 1000
    counting_clock.advance(WINDOW + 1)
    await lockout.begin("the next")
    await asyncio.sleep(0)  # it sweeps in a task of its own
    kept = [storage.storage, storage.expirations, storage.events, storage.locks]
    assert [len(each) for each in kept] == [1, 1, 0, 1]


async def test_a_success_during_a_sweep_breaks_nothing(complaints: list[dict[str, Any]]) -> None:
    lockout = Lockout()
    for _ in range(50):
        await asyncio.gather(*(lockout.begin(f"{number}") for number in range(8)))
        await asyncio.gather(*(lockout.succeed(f"{number}") for number in range(8)))
    assert complaints == []


def test_the_limit_is_ten_in_fifteen_minutes() -> None:
    assert (ATTEMPTS.amount, ATTEMPTS.get_expiry()) == (LIMIT, WINDOW)
