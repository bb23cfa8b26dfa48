"""A new password: only with the old one, and all other sessions end."""

import asyncio
import itertools
from typing import Any

import httpx
import psycopg
import pytest

from api_main.auth import repository
from tests.auth.calls import (
    AUTH,
    PASSWORD,
    assert_refused,
    bearer,
    change_password,
    login,
    read_me,
    refresh,
    sign_in,
)
from tests.conftest import NewPerson
from tests.people import Person

NEW = "another fine password"


async def test_the_new_password_counts_and_the_old_one_no_longer(client: httpx.AsyncClient, grace: Person) -> None:
    response = await change_password(client, grace.token, PASSWORD, NEW)
    assert (response.status_code, response.content) == (204, b"")
    assert_refused(await login(client, grace.email, PASSWORD), 401, "invalid_credentials")
    assert (await login(client, grace.email, NEW)).status_code == 200


async def test_other_sessions_end_and_this_one_goes_on(client: httpx.AsyncClient, grace: Person) -> None:
    this, other = [await sign_in(client, grace.email) for _ in range(2)]
    assert (await change_password(client, this["access_token"], PASSWORD, NEW)).status_code == 204
    assert (await read_me(client, this["access_token"])).status_code == 200
    assert (await refresh(client, this["refresh_token"])).status_code == 200
    for ended in (other["access_token"], grace.token):
        assert_refused(await read_me(client, ended), 401, "session_ended")
    assert_refused(await refresh(client, other["refresh_token"]), 401, "invalid_refresh_token")


async def test_the_new_hash_has_the_full_cost(
    client: httpx.AsyncClient, full_bcrypt: None, admin: psycopg.Connection[Any], new_person: NewPerson, quick_hash: str
) -> None:
    person = new_person(encrypted_password=quick_hash)
    assert (await change_password(client, person.token, PASSWORD, NEW)).status_code == 204
    row = admin.execute(
        "select left(encrypted_password, 7), updated_at > created_at from auth.users where id = %s", (person.id,)
    ).fetchone()
    assert row == ("$2b$12$", True)


async def test_the_wrong_present_password_changes_nothing(client: httpx.AsyncClient, grace: Person) -> None:
    other = await sign_in(client, grace.email)
    refused = await change_password(client, grace.token, "wrong", NEW)
    assert_refused(refused, 403, "wrong_password", "current_password")
    assert (await login(client, grace.email, PASSWORD)).status_code == 200
    assert (await read_me(client, other["access_token"])).status_code == 200


async def test_the_right_present_password_forgets_earlier_failures(client: httpx.AsyncClient, grace: Person) -> None:
    for _ in range(9):
        assert_refused(await change_password(client, grace.token, "wrong", NEW), 403, "wrong_password")
    assert (await change_password(client, grace.token, PASSWORD, NEW)).status_code == 204
    for _ in range(9):
        assert_refused(await login(client, grace.email, "wrong"), 401, "invalid_credentials")
    assert (await login(client, grace.email, NEW)).status_code == 200


WEAK = {
    "short": ("short", "weak_password"),
    "one of the commonest": ("password1", "weak_password"),
    "73 bytes": ("x" * 73, "password_too_long"),
    "37 letters of two bytes": ("\u00e9" * 37, "password_too_long"),
}


@pytest.mark.parametrize(("new", "code"), WEAK.values(), ids=WEAK)
async def test_a_weak_new_password_changes_nothing(
    client: httpx.AsyncClient, grace: Person, new: str, code: str
) -> None:
    assert_refused(await change_password(client, grace.token, PASSWORD, new), 422, code, "new_password")
    assert (await login(client, grace.email, PASSWORD)).status_code == 200


async def test_the_new_password_must_be_another(client: httpx.AsyncClient, grace: Person) -> None:
    refused = await change_password(client, grace.token, PASSWORD, PASSWORD)
    assert_refused(refused, 422, "same_password", "new_password")


async def test_an_account_without_a_password_cannot_change_it(client: httpx.AsyncClient, new_person: NewPerson) -> None:
    """Somebody who signs in with a provider: a live token alone must not be enough to set one."""
    person = new_person(encrypted_password=None)
    assert_refused(await change_password(client, person.token, PASSWORD, NEW), 403, "wrong_password")


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"new_password": NEW},
        {"current_password": PASSWORD},
        {"current_password": PASSWORD, "new_password": NEW, "email": "other@example.com"},
        {"current_password": PASSWORD, "new_password": f"{NEW}\x00"},
        {"current_password": None, "new_password": NEW},
    ],
)
async def test_a_form_of_another_shape_is_refused_and_not_repeated(
    client: httpx.AsyncClient, grace: Person, form: dict[str, Any]
) -> None:
    response = await client.post(f"{AUTH}/password", json=form, headers=grace.headers)
    assert_refused(response, 422, "validation_failed")
    assert PASSWORD not in response.text
    assert NEW not in response.text


async def test_without_a_live_session_nothing_changes(client: httpx.AsyncClient, grace: Person) -> None:
    form = {"current_password": PASSWORD, "new_password": NEW}
    assert_refused(await client.post(f"{AUTH}/password", json=form), 401, "unauthenticated")
    assert (await client.post(f"{AUTH}/logout", headers=grace.headers)).status_code == 204
    assert_refused(await change_password(client, grace.token, PASSWORD, NEW), 401, "session_ended")
    assert (await login(client, grace.email, PASSWORD)).status_code == 200


@pytest.mark.parametrize("step", [1, 2, 3])
async def test_an_account_that_vanishes_meanwhile_is_no_error_of_ours(
    client: httpx.AsyncClient,
    admin: psycopg.Connection[Any],
    grace: Person,
    monkeypatch: pytest.MonkeyPatch,
    step: int,
) -> None:
    """Before its password is compared, before the new one is hashed, before it is stored."""
    lock_user, looks = repository.lock_user, itertools.count(1)

    async def lock_user_too_late(session: Any, user_id: Any) -> Any:
        if next(looks) == step:
            admin.execute("delete from auth.users where id = %s", (user_id,))
        return await lock_user(session, user_id)

    monkeypatch.setattr(repository, "lock_user", lock_user_too_late)
    assert_refused(await change_password(client, grace.token, PASSWORD, NEW), 401, "session_ended")
    assert next(looks) == step + 1  # and nothing went on without it


async def test_of_two_changes_at_once_the_last_one_counts(client: httpx.AsyncClient, grace: Person) -> None:
    first, second = [await sign_in(client, grace.email) for _ in range(2)]
    answers = await asyncio.gather(
        change_password(client, first["access_token"], PASSWORD, NEW),
        change_password(client, second["access_token"], PASSWORD, f"{NEW}!"),
    )
    assert 204 in {answer.status_code for answer in answers}
    opens = [(await login(client, grace.email, password)).is_success for password in (PASSWORD, NEW, f"{NEW}!")]
    assert opens in ([False, True, False], [False, False, True])
    me = await client.get(f"{AUTH}/me", headers=bearer(grace.token))
    assert_refused(me, 401, "session_ended")
