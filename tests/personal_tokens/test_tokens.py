"""Making, listing and revoking personal access tokens."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from api_main.auth.personal_tokens import verifier
from tests.people import Person
from tests.personal_tokens.conftest import TASKS, TOKENS, Json, NewToken, bearer

Admin = psycopg.Connection[Any]


async def test_a_token_is_shown_once_and_kept_as_a_digest(
    client: httpx.AsyncClient, admin: Admin, ada: Person, new_token: NewToken
) -> None:
    made = await new_token(ada, name="  Backup script  ")
    text = made.pop("token")
    assert text.startswith("pat_")
    assert len(text) >= 40
    assert (made["name"], made["hint"], made["last_used_at"]) == ("Backup script", text[-4:], None)
    listed = (await client.get(TOKENS, headers=ada.headers)).json()["data"]
    assert listed == [made]
    row = admin.execute("select to_jsonb(t) from public.api_tokens t where id = %s", (made["id"],)).fetchone()
    assert row is not None
    assert row[0]["digest"] == sha256(text.encode()).hexdigest()
    assert row[0]["owner_id"] == str(ada.id)
    assert text not in str(row[0])


async def test_tokens_are_listed_the_newest_first_and_to_their_owner_alone(
    client: httpx.AsyncClient, ada: Person, bob: Person, new_token: NewToken
) -> None:
    made = [await new_token(ada, name=name) for name in ("one", "two")]
    listed = (await client.get(TOKENS, headers=ada.headers)).json()["data"]
    assert [token["id"] for token in listed] == [made[1]["id"], made[0]["id"]]
    assert (await client.get(TOKENS, headers=bob.headers)).json()["data"] == []


BAD_FORMS: list[Json] = [
    {},
    {"name": "x"},
    {"name": "x", "scopes": []},
    {"name": "x", "scopes": ["tasks:admin"]},
    {"name": "x", "scopes": ["tasks:read"] * 99},
    {"name": "", "scopes": ["tasks:read"]},
    {"name": "   ", "scopes": ["tasks:read"]},
    {"name": "x" * 101, "scopes": ["tasks:read"]},
    {"name": "a\x00b", "scopes": ["tasks:read"]},
    {"name": "x", "scopes": ["tasks:read"], "expires_at": "2020-01-01T00:00:00Z"},
    {"name": "x", "scopes": ["tasks:read"], "expires_at": "2999-01-01T00:00:00"},
    {"name": "x", "scopes": ["tasks:read"], "owner_id": "6f1c5e0a-0d0c-4a53-9c1b-2f0c6f3a7b11"},
    {"name": "x", "scopes": ["tasks:read"], "digest": "x"},
]


@pytest.mark.parametrize("form", BAD_FORMS, ids=str)
async def test_a_bad_form_makes_nothing(client: httpx.AsyncClient, ada: Person, form: Json) -> None:
    answer = await client.post(TOKENS, json=form, headers=ada.headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "validation_failed")
    assert (await client.get(TOKENS, headers=ada.headers)).json()["data"] == []


async def test_another_persons_token_is_not_there(
    client: httpx.AsyncClient, ada: Person, bob: Person, new_token: NewToken
) -> None:
    made = await new_token(ada)
    for token_id, person in ((made["id"], bob), (uuid4(), ada)):
        answer = await client.delete(f"{TOKENS}/{token_id}", headers=person.headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "api_token_not_found")
    assert (await client.get(TASKS, headers=bearer(made))).status_code == 200
    assert (await client.delete(f"{TOKENS}/x", headers=ada.headers)).status_code == 422


async def test_a_revoked_token_is_refused_within_thirty_seconds(
    client: httpx.AsyncClient, ada: Person, new_token: NewToken, forget: Callable[[], None]
) -> None:
    made = await new_token(ada)
    assert (await client.get(TASKS, headers=bearer(made))).status_code == 200
    assert (await client.delete(f"{TOKENS}/{made['id']}", headers=ada.headers)).status_code == 204
    forget()
    answer = await client.get(TASKS, headers=bearer(made))
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_token")
    assert (await client.delete(f"{TOKENS}/{made['id']}", headers=ada.headers)).status_code == 404


@pytest.mark.parametrize(
    "change",
    [
        "update auth.users set banned_until = now() + interval '1 day' where id = %s",
        "update auth.users set deleted_at = now() where id = %s",
        "update public.profiles set is_active = false where id = %s",
        "delete from auth.users where id = %s",
    ],
)
async def test_a_token_of_somebody_who_may_not_act_is_refused(
    client: httpx.AsyncClient, admin: Admin, ada: Person, new_token: NewToken, forget: Callable[[], None], change: str
) -> None:
    made = await new_token(ada)
    assert (await client.get(TASKS, headers=bearer(made))).status_code == 200
    admin.execute(change, (ada.id,))
    forget()
    assert (await client.get(TASKS, headers=bearer(made))).status_code == 401


async def test_a_token_expires_on_time_even_if_it_is_remembered(
    client: httpx.AsyncClient, admin: Admin, ada: Person, new_token: NewToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_an_hour = datetime.now(UTC) + timedelta(hours=1)
    short = await new_token(ada, expires_at=in_an_hour.isoformat())
    never = await new_token(ada)
    statuses = {(await client.get(TASKS, headers=bearer(short))).status_code for _ in range(2)}
    assert statuses == {200}
    an_hour_ago = "update public.api_tokens set expires_at = expires_at - interval '1 hour' where id = %s"
    admin.execute(an_hour_ago, (short["id"],))
    assert (await client.get(TASKS, headers=bearer(short))).status_code == 200, "it is remembered"
    monkeypatch.setattr(verifier, "time", SimpleNamespace(time=in_an_hour.timestamp))
    assert (await client.get(TASKS, headers=bearer(short))).status_code == 401
    assert (await client.get(TASKS, headers=bearer(never))).status_code == 200


async def test_the_last_use_is_known_to_the_minute(
    client: httpx.AsyncClient, admin: Admin, ada: Person, new_token: NewToken, forget: Callable[[], None]
) -> None:
    made = await new_token(ada)

    async def use() -> datetime:
        forget()
        assert (await client.get(TASKS, headers=bearer(made))).status_code == 200
        [listed] = (await client.get(TOKENS, headers=ada.headers)).json()["data"]
        return datetime.fromisoformat(listed["last_used_at"])

    first = await use()
    assert abs(first - datetime.now(UTC)) < timedelta(minutes=5)
    assert await use() == first
    age = "update public.api_tokens set last_used_at = last_used_at - interval '61 s' where id = %s"
    admin.execute(age, (made["id"],))
    assert await use() > first


@pytest.mark.parametrize("token", ["pat_", "pat_x", f"pat_{'A' * 43}", "pat_\u00e9", f"pat_{'x' * 20_000}"])
async def test_what_was_never_made_is_refused(client: httpx.AsyncClient, token: str) -> None:
    headers = {b"Authorization": b"Bearer " + token.encode()}
    answer = await client.get(TASKS, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_token")
