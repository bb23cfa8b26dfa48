"""Where e-mails have to be confirmed, a key does not tell either which ones have an account."""

from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from api_main.core.settings import Settings
from local_stack.postgres import EmbeddedPostgres
from tests.auth.calls import new_email
from tests.conftest import API_PASSWORD, NewPerson
from tests.idempotency.client import is_replay, kept, new_key, sign_up
from tests.idempotency.relay import relaying
from tests.protocol.project import Project, running
from tests.tasks.client import error_of

Admin = psycopg.Connection[Any]


@pytest.fixture
async def confirming(settings: Settings) -> AsyncIterator[Project]:
    """Where e-mails have to be confirmed."""
    async with running(settings) as project:
        yield project


async def test_a_replay_does_not_tell_either_that_an_email_has_an_account(
    confirming: Project, new_person: NewPerson, admin: Admin
) -> None:
    person = new_person()
    for email in (person.email, new_email()):
        key = new_key()
        first, again = [await sign_up(confirming.http, email, key) for _ in range(2)]
        assert (first.status_code, is_replay(first)) == (201, False)
        assert (again.status_code, again.content, is_replay(again)) == (201, first.content, True)
        assert first.json()["data"]["email"] == email
        reused = await sign_up(confirming.http, email, key, "another password")
        assert error_of(reused) == (422, "idempotency_key_reused", "Idempotency-Key")
        assert len(kept(admin, email)) == 1
        admin.execute("delete from auth.users where email = %s", (email,))
        assert not is_replay(await sign_up(confirming.http, email, key))
    assert len(confirming.mails(person.email)) == 1  # to whoever has it since it was deleted


async def test_no_account_is_told_from_one_by_the_time_that_it_takes(
    settings: Settings, postgres: EmbeddedPostgres, new_person: NewPerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time comes from passwords, which are hashed either way, and from round trips to the database."""
    direct = postgres.tcp_url(user="api_main", password=API_PASSWORD)
    async with relaying(postgres.port) as (relay, port):
        url = direct.replace(f":{postgres.port}/", f":{port}/")
        # As behind a pooler nothing is prepared, which costs round trips of its own, whoever comes by.
        one = {"database_url": url, "database_pool_max": 1, "database_transaction_pooler": True}
        async with running(settings, **one) as project:

            async def send(*_: object) -> None:
                """After the answer, and so beside the question."""

            monkeypatch.setattr(project.app.state.links, "send", send)
            await sign_up(project.http, new_email(), None)  # the connection is there from now on

            async def round_trips(email: str, key: str | None) -> int:
                before = relay.round_trips
                assert (await sign_up(project.http, email, key)).status_code == 201
                return relay.round_trips - before

            key = new_key()
            known, unknown = new_person().email, new_email()
            assert await round_trips(new_person().email, None) == await round_trips(new_email(), None)
            assert await round_trips(known, key) == await round_trips(unknown, key[::-1])
            assert await round_trips(known, key) == await round_trips(unknown, key[::-1])


async def test_whoever_asks_again_gets_the_mail_that_the_first_answer_came_without(
    confirming: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    email, key = new_email(), new_key()

    async def is_killed(*_: object) -> None:
        """Before the mail is sent."""

    with monkeypatch.context() as patched:
        patched.setattr(confirming.app.state.links, "send", is_killed)
        await sign_up(confirming.http, email, key)
    assert confirming.mails(email) == []
    assert is_replay(await sign_up(confirming.http, email, key))
    assert len(confirming.mails(email)) == 1


async def test_whoever_asks_again_soon_gets_one_mail(settings: Settings) -> None:
    email, key = new_email(), new_key()
    async with running(settings, mail_interval_seconds=60) as patient:
        assert [is_replay(await sign_up(patient.http, email, key)) for _ in range(3)] == [False, True, True]
        assert len(patient.mails(email)) == 1
