"""Whoever uses what was mailed waits for the account, and holds nothing meanwhile: two never wait for each other."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import psycopg
import pytest

from tests.patience import eventually
from tests.protocol.project import Project, good, link_in, new_email, refused, token_in
from tests.protocol.test_pkce import ask, exchange, follow

Use = Callable[[], Awaitable[httpx.Response]]
MAILED = ("auth.one_time_tokens", "auth.flow_state")
WAITING = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and pid <> pg_backend_pid()"


async def while_the_account_is_held(admin_url: str, email: str, use: Use) -> httpx.Response:
    """Ask, and before the answer void all that was mailed, as a new password does."""
    with psycopg.connect(admin_url) as holder:
        holder.execute("set lock_timeout = '5s'")
        [user_id] = holder.execute("select id from auth.users where email = %s for update", (email,)).fetchone() or ()
        asked = asyncio.ensure_future(use())
        await eventually(lambda: _count(admin_url) > 0)
        for table in MAILED:
            holder.execute(f"delete from {table} where user_id = %s".encode(), (user_id,))
    return await asked


def _count(admin_url: str) -> int:
    with psycopg.connect(admin_url) as connection:
        found: tuple[Any, ...] | None = connection.execute(WAITING).fetchone()
    assert found is not None
    return int(found[0])


@pytest.fixture
async def newcomer(confirming: Project) -> str:
    email = new_email()
    await confirming.sign_up(email)
    return email


async def test_a_link_is_void_if_it_was_voided_meanwhile(confirming: Project, newcomer: str, admin_url: str) -> None:
    form = {"type": "signup", "token_hash": token_in(confirming.mails(newcomer)[0])}
    answer = await while_the_account_is_held(admin_url, newcomer, lambda: confirming.post("verify", form))
    refused(answer, 403, "otp_expired")


async def test_a_code_is_void_if_it_was_voided_meanwhile(confirming: Project, newcomer: str, admin_url: str) -> None:
    query, _ = await follow(confirming, await ask(confirming, "otp", newcomer))
    answer = await while_the_account_is_held(admin_url, newcomer, lambda: exchange(confirming, query["code"]))
    refused(answer, 404, "flow_state_not_found")


async def test_a_mail_waits_and_brings_a_link_that_works(confirming: Project, newcomer: str, admin_url: str) -> None:
    form = {"email": newcomer}
    good(await while_the_account_is_held(admin_url, newcomer, lambda: confirming.post("recover", form)))
    assert (await confirming.http.get(link_in(confirming.mails(newcomer)[0]))).headers["location"].count("access_token")
