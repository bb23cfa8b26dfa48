"""bcrypt at full cost, beside the event loop and not on it."""

import asyncio
import os
import threading
import time

import bcrypt
import pytest
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from api_main.auth import passwords
from api_main.auth.errors import WeakPassword
from api_main.auth.passwords import BCRYPT_HASH, COST, NOBODYS_HASH, check_strength, hash_password, verify_password
from tests.auth.calls import PASSWORD

MINIMUM = 8


async def test_a_hash_costs_twelve_and_opens_to_its_password_alone(full_bcrypt: None) -> None:
    assert COST >= 12
    hashed = await hash_password(PASSWORD)
    assert hashed.startswith("$2b$12$")
    assert len(hashed) == 60
    assert await verify_password(PASSWORD, hashed)
    assert not await verify_password(PASSWORD.upper(), hashed)


def test_the_comparison_without_an_account_costs_as_much() -> None:
    assert NOBODYS_HASH.startswith(f"$2b${COST}$")
    assert BCRYPT_HASH.fullmatch(NOBODYS_HASH)


@pytest.mark.parametrize("variant", ["2a", "2b", "2y"])
async def test_hashes_that_supabase_auth_made_are_understood(quick_hash: str, variant: str) -> None:
    assert await verify_password(PASSWORD, quick_hash.replace("$2b$", f"${variant}$"))


@pytest.mark.parametrize(
    "stored",
    [None, "", "x", "$2b$", "$2b$12$short", "$2b$99$" + "a" * 53, "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA"],
)
async def test_what_is_no_bcrypt_hash_opens_to_nothing(stored: str | None) -> None:
    assert not await verify_password(PASSWORD, stored)
    assert not await verify_password("", stored)


async def test_a_password_over_72_bytes_is_not_cut() -> None:
    hashed = await hash_password("x" * 72)
    assert await verify_password("x" * 72, hashed)
    assert not await verify_password("x" * 73, hashed)
    assert not await verify_password("", passwords.NOBODYS_HASH)


async def test_the_loop_goes_on_while_passwords_are_hashed(full_bcrypt: None) -> None:
    """Four hashes take about a second of one core; on the loop, it would turn once between two of them."""
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.001)
            turns += 1

    counting = asyncio.create_task(count_turns())
    await asyncio.gather(*(hash_password(PASSWORD) for _ in range(4)))
    counting.cancel()
    assert turns > 20


@pytest.mark.parametrize("function", ["hashpw", "checkpw"])
async def test_the_loop_can_end_what_bcrypt_waits_for(monkeypatch: pytest.MonkeyPatch, function: str) -> None:
    """If bcrypt ran on the loop, nobody could."""
    released = threading.Event()
    monkeypatch.setattr(bcrypt, function, lambda *_: b"hashed" if released.wait(20) else None)
    working = asyncio.create_task(hash_password("x") if function == "hashpw" else verify_password("x", None))
    await asyncio.sleep(0.01)
    assert not working.done()
    released.set()
    assert await working in {"hashed", False}


async def test_no_more_hashes_run_at_once_than_there_are_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    running, most = 0, 0

    def hash_slowly(secret: bytes, salt: bytes) -> bytes:
        nonlocal running, most
        running += 1
        most = max(most, running)
        time.sleep(0.005)
        running -= 1
        return secret

    monkeypatch.setattr(bcrypt, "hashpw", hash_slowly)
    await asyncio.gather(*(hash_password(PASSWORD) for _ in range(20)))
    assert most <= (os.cpu_count() or 1)


async def test_each_of_the_commonest_passwords_is_refused() -> None:
    commonest = [each for each in FREQUENCY_LISTS["passwords"] if len(each) >= MINIMUM]
    assert len(commonest) > 5000
    for password in commonest:
        with pytest.raises(WeakPassword):
            await check_strength(password.title(), minimum=MINIMUM)


@pytest.mark.parametrize("password", [PASSWORD, "x" * 72, "\u00e9" * 36, "eight ch"])
async def test_a_password_that_is_long_and_uncommon_will_do(password: str) -> None:
    await check_strength(password, minimum=MINIMUM)


async def test_what_is_wrong_with_a_password_is_said_without_it() -> None:
    for password in ("short", "y" * 73, "password1"):
        with pytest.raises(WeakPassword) as refused:
            await check_strength(password, minimum=MINIMUM, field="new_password")
        assert refused.value.field == "new_password"
        assert password not in refused.value.message
