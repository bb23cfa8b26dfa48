"""A sign-up with a key: whoever sends it has no identity yet, and is answered as before all the same."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import psycopg

from tests.auth.calls import AUTH, PASSWORD, bearer, new_email, read_me, refresh
from tests.idempotency.client import held, is_replay, kept, new_key, sign_up, waits
from tests.patience import eventually
from tests.rls.serving import Service
from tests.tasks.client import error_of

Admin = psycopg.Connection[Any]
ACCOUNTS = """
select count(distinct u.id), count(s.id) from auth.users u left join auth.sessions s on s.user_id = u.id
where u.email = %s
"""


def accounts_and_sessions(admin: Admin, email: str) -> tuple[int, int]:
    row = admin.execute(ACCOUNTS, (email,)).fetchone()
    assert row is not None
    return row[0], row[1]


@asynccontextmanager
async def begun(
    client: httpx.AsyncClient, admin: Admin, admin_url: str, email: str, key: str
) -> AsyncIterator[asyncio.Task[httpx.Response]]:
    """A sign-up that comes to no end meanwhile."""
    with held(admin_url, "auth.users"):
        first = asyncio.create_task(sign_up(client, email, key))
        await eventually(lambda: waits(admin))
        yield first


async def test_a_sign_up_that_is_sent_again_gets_the_same_tokens(
    client: httpx.AsyncClient, replica: Service, admin: Admin
) -> None:
    email, key = new_email(), new_key()
    first = await sign_up(client, email, key)
    assert (first.status_code, is_replay(first)) == (201, False)
    for http in (client, replica.client):
        again = await sign_up(http, email, key)
        assert (again.status_code, again.content, is_replay(again)) == (201, first.content, True)
        assert again.headers["Content-Type"] == first.headers["Content-Type"]
    assert accounts_and_sessions(admin, email) == (1, 1)
    tokens = first.json()["data"]
    assert (await read_me(client, tokens["access_token"])).json()["data"]["email"] == email
    assert (await refresh(client, tokens["refresh_token"])).status_code == 200
    assert error_of(await sign_up(client, email, new_key())) == (409, "email_taken", "email")


async def test_without_a_key_nothing_is_kept(client: httpx.AsyncClient, admin: Admin) -> None:
    email = new_email()
    assert (await sign_up(client, email, None)).status_code == 201
    assert kept(admin, email) == []
    assert error_of(await sign_up(client, email, None)) == (409, "email_taken", "email")


async def test_a_key_is_for_one_sign_up(client: httpx.AsyncClient, admin: Admin) -> None:
    email, another, key = new_email(), new_email(), new_key()
    await sign_up(client, email, key)
    for body in ((email, "another password"), (another, PASSWORD)):
        refused = await sign_up(client, body[0], key, body[1])
        assert error_of(refused) == (422, "idempotency_key_reused", "Idempotency-Key")
    assert accounts_and_sessions(admin, another) == (0, 0)


async def test_tokens_are_kept_under_a_good_key_alone(client: httpx.AsyncClient, admin: Admin) -> None:
    email, key = new_email(), new_key()
    for bad in ("x" * 31, "", "a, b" + "x" * 32):
        assert error_of(await sign_up(client, email, bad)) == (400, "invalid_idempotency_key", "Idempotency-Key")
    assert accounts_and_sessions(admin, email) == (0, 0)
    tokens = (await sign_up(client, email, key)).json()["data"]
    [row] = kept(admin, email)
    stored = b"".join(row)
    assert len(stored) > len(tokens["access_token"])
    for secret in (key, tokens["access_token"], tokens["refresh_token"], PASSWORD, email):
        assert secret.encode() not in stored


async def test_twenty_at_once_at_two_replicas_make_one_account(
    client: httpx.AsyncClient, replica: Service, admin: Admin
) -> None:
    email, key = new_email(), new_key()
    answers = await asyncio.gather(*(sign_up((client, replica.client)[number % 2], email, key) for number in range(20)))
    assert accounts_and_sessions(admin, email) == (1, 1)
    done = [answer for answer in answers if answer.status_code == 201]
    assert [is_replay(answer) for answer in done].count(False) == 1
    assert len({answer.content for answer in done}) == 1
    for answer in answers:
        if answer.status_code != 201:
            assert error_of(answer) == (409, "request_running", "Idempotency-Key")


async def test_while_the_first_one_runs_the_others_do_not_wait(
    client: httpx.AsyncClient, replica: Service, admin: Admin, admin_url: str
) -> None:
    email, key = new_email(), new_key()
    async with begun(client, admin, admin_url, email, key) as first:
        for http in (client, replica.client):
            running_already = await sign_up(http, email, key)
            assert error_of(running_already) == (409, "request_running", "Idempotency-Key")
            assert int(running_already.headers["Retry-After"]) >= 1
    assert not is_replay(await first)
    assert is_replay(await sign_up(replica.client, email, key))
    assert accounts_and_sessions(admin, email) == (1, 1)


async def test_a_sign_up_that_is_cut_off_frees_its_key(
    client: httpx.AsyncClient, replica: Service, admin: Admin, admin_url: str
) -> None:
    email, key = new_email(), new_key()
    async with begun(client, admin, admin_url, email, key) as first:
        first.cancel()
        await asyncio.wait([first])
    answers: list[httpx.Response] = []

    async def is_free() -> bool:
        """Postgres may take a moment to see that the connection is closed; until then, one is to come again."""
        answers.append(await sign_up(replica.client, email, key))
        return answers[-1].status_code != 409

    await eventually(is_free)
    assert (answers[-1].status_code, is_replay(answers[-1])) == (201, False)
    assert accounts_and_sessions(admin, email) == (1, 1)


async def test_a_sign_up_that_failed_may_be_mended_and_sent_again(client: httpx.AsyncClient, admin: Admin) -> None:
    taken, email, key = new_email(), new_email(), new_key()
    await sign_up(client, taken, None)
    for _ in range(2):
        assert error_of(await sign_up(client, taken, key)) == (409, "email_taken", "email")
        assert error_of(await sign_up(client, email, key, "password1")) == (422, "weak_password", "password")
    assert kept(admin, taken) == []
    answers = [await sign_up(client, email, key) for _ in range(2)]
    assert [(answer.status_code, is_replay(answer)) for answer in answers] == [(201, False), (201, True)]


async def test_an_account_and_its_answer_are_committed_together(client: httpx.AsyncClient, admin: Admin) -> None:
    email, key = f"at-commit-{new_email()}", new_key()
    admin.execute("""
      create function public.refuse() returns trigger language plpgsql as 'begin raise exception ''at commit''; end';
      create constraint trigger refuse after insert on auth.users deferrable initially deferred
        for each row when (new.email like 'at-commit-%') execute function public.refuse();
    """)
    try:
        assert error_of(await sign_up(client, email, key)) == (500, "internal_error", None)
    finally:
        admin.execute("drop function public.refuse cascade")
    assert accounts_and_sessions(admin, email) == (0, 0)
    answers = [await sign_up(client, email, key) for _ in range(2)]
    assert [(answer.status_code, is_replay(answer)) for answer in answers] == [(201, False), (201, True)]


async def test_after_a_day_a_key_is_as_good_as_new(client: httpx.AsyncClient, admin: Admin) -> None:
    email, key = new_email(), new_key()
    await sign_up(client, email, key)
    admin.execute(
        "update public.idempotency_keys set expires_at = now() where key_digest = %s", kept(admin, email)[0][:1]
    )
    assert error_of(await sign_up(client, email, key)) == (409, "email_taken", "email")
    other = new_email()
    answers = [await sign_up(client, other, key) for _ in range(2)]
    assert [(answer.status_code, is_replay(answer)) for answer in answers] == [(201, False), (201, True)]


async def test_an_answer_goes_with_its_account(client: httpx.AsyncClient, admin: Admin) -> None:
    email, key = new_email(), new_key()
    first = await sign_up(client, email, key)
    admin.execute("delete from auth.users where email = %s", (email,))
    again = await sign_up(client, email, key)
    assert (again.status_code, is_replay(again)) == (201, False)
    assert again.json()["data"]["user"]["id"] != first.json()["data"]["user"]["id"]


async def test_a_token_makes_no_difference(client: httpx.AsyncClient) -> None:
    """Not even that of somebody who has used the same key for a task: it counts for one path."""
    email, key = new_email(), new_key()
    token = (await sign_up(client, email, key)).json()["data"]["access_token"]
    headers = {**bearer(token), "Idempotency-Key": key}
    assert not is_replay(await client.post("/api/v1/tasks", json={"title": "Only once"}, headers=headers))
    form = {"email": email, "password": PASSWORD}
    assert is_replay(await client.post(f"{AUTH}/register", json=form, headers=headers))


async def test_nothing_else_of_accounts_takes_a_key(client: httpx.AsyncClient) -> None:
    email, key = new_email(), new_key()
    await sign_up(client, email, None)
    answers = [await sign_up(client, email, key, path="login") for _ in range(2)]
    assert [is_replay(answer) for answer in answers] == [False, False]
    assert len({answer.json()["data"]["refresh_token"] for answer in answers}) == 2
