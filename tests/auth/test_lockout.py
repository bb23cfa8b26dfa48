"""Guessing ends after ten failures, for e-mails with and without an account alike."""

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest

from api_main.auth.errors import TooManyAttempts
from api_main.auth.lockout import Lockout, lockout
from api_main.core.limits import storages
from api_main.core.limits.declarations import Policy
from api_main.core.limits.limiter import Limiter
from api_main.core.settings import Settings
from tests.auth.calls import PASSWORD, assert_refused, change_password, login, new_email, read_me, sign_in
from tests.clock import Clock
from tests.conftest import NewPerson
from tests.people import Person

LIMIT = 10
WINDOW = 60 * 60


@pytest.fixture
def counting_clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the counters."""
    clock = Clock()
    monkeypatch.setattr(storages, "time", clock)
    return clock


def counting(by_name: str = "10/hour", by_address: str = "10/hour") -> Lockout:
    policy = Policy({"sign_in": by_name, "sign_in_address": by_address})
    return Lockout(Limiter(), policy.named("sign_in"), policy.named("sign_in_address"))


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
    attempts = counting()
    for _ in range(LIMIT):
        await attempts.begin("grace")
    counting_clock.advance(WINDOW - 1)
    with pytest.raises(TooManyAttempts) as refused:
        await attempts.begin("grace")
    limit = {"RateLimit-Limit": "10", "RateLimit-Remaining": "0", "RateLimit-Reset": "1"}
    assert refused.value.headers == {"Retry-After": "1", **limit}
    counting_clock.advance(1)
    await attempts.begin("grace")


async def test_attempts_while_locked_out_do_not_prolong_it(counting_clock: Clock) -> None:
    attempts = counting()
    for second in range(WINDOW):
        counting_clock.advance(1)
        if second < LIMIT:
            await attempts.begin("grace")
        else:
            with pytest.raises(TooManyAttempts):
                await attempts.begin("grace")
    counting_clock.advance(2)
    await attempts.begin("grace")


async def test_what_is_over_takes_no_memory(counting_clock: Clock) -> None:
    attempts = counting()
    for number in range(1000):
        await attempts.begin(f"unknown {number}")
    near: Any = attempts._limiter._near
    counting_clock.advance(WINDOW + 1)
    for number in range(501):
        await attempts.begin(f"another {number}")
    assert sum(map(len, near._lanes.values())) == 501


GUESSES = [f"guess {number}" for number in range(LIMIT + 1)]


async def test_one_address_may_not_guess_at_many_accounts(counting_clock: Clock) -> None:
    attempts = counting()
    for guess in GUESSES[:LIMIT]:
        await attempts.begin(guess, "192.0.2.1")
    with pytest.raises(TooManyAttempts):
        await attempts.begin(GUESSES[LIMIT], "192.0.2.1")
    await attempts.begin(GUESSES[LIMIT], "192.0.2.2")
    counting_clock.advance(WINDOW + 1)
    await attempts.begin(GUESSES[LIMIT], "192.0.2.1")


async def test_an_office_that_signs_in_is_not_locked_out() -> None:
    attempts = counting()
    for number in range(5 * LIMIT):
        await attempts.begin(f"colleague {number}", "192.0.2.1")
        await attempts.succeed(f"colleague {number}", "192.0.2.1")


async def test_an_account_of_ones_own_buys_no_more_guesses_at_others() -> None:
    attempts = counting()
    for guess in GUESSES[: LIMIT - 1]:
        await attempts.begin(guess, "192.0.2.1")
        await attempts.begin("mine", "192.0.2.1")
        await attempts.succeed("mine", "192.0.2.1")
    await attempts.begin(GUESSES[LIMIT - 1], "192.0.2.1")
    with pytest.raises(TooManyAttempts):
        await attempts.begin(GUESSES[LIMIT], "192.0.2.1")


async def test_the_networks_of_one_household_are_one_address() -> None:
    attempts = counting()
    for number, guess in enumerate(GUESSES[:LIMIT]):
        await attempts.begin(guess, f"2001:db8:0:7::{number + 1}")
    with pytest.raises(TooManyAttempts):
        await attempts.begin(GUESSES[LIMIT], "2001:db8:0:7:1:2:3:4")
    await attempts.begin("another", "2001:db8:0:8::1")


async def test_with_limits_off_nobody_is_locked_out(settings: Settings) -> None:
    attempts = lockout(Limiter(), settings.model_copy(update={"rate_limit_enabled": False}))
    for _ in range(5 * LIMIT):
        await attempts.begin("grace", "192.0.2.1")


def test_the_limit_is_ten_an_hour_for_an_email_and_for_an_address() -> None:
    policy = Policy({})
    for scope in ("sign_in", "sign_in_address"):
        assert [(limit.amount, limit.seconds) for limit in policy.named(scope)] == [(LIMIT, WINDOW)]
