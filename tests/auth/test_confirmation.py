"""Where e-mails have to be confirmed: a new account gets a mail and no session, and a known e-mail looks the same."""

from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from api_main.core.settings import Settings
from tests.auth.calls import PASSWORD, assert_refused, login, new_email, register
from tests.conftest import NewPerson
from tests.protocol.project import Project, fragment_of, link_in, running


@pytest.fixture
async def project(settings: Settings) -> AsyncIterator[Project]:
    async with running(settings) as confirming:
        yield confirming


def shape(user: dict[str, Any]) -> dict[str, Any]:
    """A user object without what differs between any two accounts."""
    plain = {name: value for name, value in user.items() if name not in {"id", "email", "identities"}}
    moments = {name for name in plain if name.endswith("_at")}
    return {**plain, **dict.fromkeys(moments), "identities": [sorted(identity) for identity in user["identities"]]}


async def test_a_new_account_has_no_session_until_its_email_is_confirmed(project: Project) -> None:
    email = new_email()
    response = await register(project.http, email, full_name="Grace")
    user = response.json()["data"]
    assert (response.status_code, user["email"], user["user_metadata"]) == (201, email, {"full_name": "Grace"})
    assert not {"access_token", "refresh_token", "email_confirmed_at"} & user.keys()
    assert_refused(await login(project.http, email), 403, "email_not_confirmed")
    assert_refused(await login(project.http, email, "wrong"), 401, "invalid_credentials")
    [mail] = project.mails(email)
    assert "access_token" in fragment_of(await project.http.get(link_in(mail)))
    assert (await login(project.http, email)).status_code == 200


async def test_nobody_learns_by_registering_that_an_email_has_an_account(
    project: Project, new_person: NewPerson, admin: psycopg.Connection[Any]
) -> None:
    person = new_person()
    known, unknown = [await register(project.http, email) for email in (person.email, new_email())]
    assert known.status_code == unknown.status_code == 201
    assert shape(known.json()["data"]) == shape(unknown.json()["data"])
    assert known.json()["data"]["id"] != str(person.id)
    assert project.mails(person.email) == []  # it is confirmed already
    row = admin.execute("select count(*), max(encrypted_password) from auth.users where email = %s", (person.email,))
    assert row.fetchone() == (1, None)
    assert_refused(await login(project.http, person.email, PASSWORD), 401, "invalid_credentials")
