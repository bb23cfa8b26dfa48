"""Who changed what about whom: by the API, in the dashboard, in SQL."""

import json
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.audit.conftest import LOG, Json, ReadLog
from tests.conftest import NewPerson
from tests.people import Person

Admin = psycopg.Connection[Any]
PASSWORD = "a quiet afternoon"


def brief(page: Json) -> list[tuple[str, Any, str, Json]]:
    """What was done, by whom and as which role, the oldest first."""
    entries = reversed(page["data"])
    return [(e["action"], (e["actor"] or {}).get("id"), e["actor_role"], e["details"]) for e in entries]


async def test_what_a_superuser_does_is_written_down(
    client: httpx.AsyncClient, root: Person, read_log: ReadLog
) -> None:
    request = f"audit-{uuid4().hex}"
    headers = {**root.headers, "X-Request-ID": request}
    email = f"{uuid4().hex}@example.com"
    form = {"email": email, "password": PASSWORD, "username": f"u{uuid4().hex[:12]}", "full_name": "Grace"}
    user = (await client.post("/api/v1/users", json=form, headers=headers)).json()["data"]["id"]
    path = f"/api/v1/users/{user}"
    for change in ({"is_superuser": True}, {"is_superuser": False, "is_active": False}, {"password": "new afternoon"}):
        assert (await client.patch(path, json=change, headers=headers)).status_code == 200
    assert (await client.patch(path, json={"email": f"x{email}", "locale": "de"}, headers=headers)).status_code == 200
    assert (await client.delete(path, headers=headers)).status_code == 204
    page = await read_log(subject=user)
    me = (str(root.id), "authenticated")
    assert brief(page) == [
        ("account.created", *me, {}),
        ("profile.changed", *me, {"changed": ["username", "full_name"]}),
        ("superuser.granted", *me, {"by": "profile"}),
        ("superuser.revoked", *me, {"by": "profile"}),
        ("account.deactivated", *me, {}),
        ("account.changed", *me, {"changed": ["password"]}),
        ("account.changed", *me, {"changed": ["email"]}),
        ("profile.changed", *me, {"changed": ["locale"]}),
        ("account.deleted", *me, {"soft": False}),
    ]
    assert {entry["request_id"] for entry in page["data"]} == {request}
    assert {entry["actor"]["email"] for entry in page["data"]} == {root.email}
    text = json.dumps(page)
    assert not [secret for secret in (email, form["username"], "Grace", PASSWORD, "$2b$") if secret in text]


async def test_what_people_do_to_themselves_is_theirs(
    client: httpx.AsyncClient, ada: Person, read_log: ReadLog
) -> None:
    token = {"name": "of a script", "scopes": ["tasks:read"]}
    made = (await client.post("/api/v1/tokens", json=token, headers=ada.headers)).json()["data"]
    await client.patch("/api/v1/auth/me", json={"full_name": "Ada"}, headers=ada.headers)
    await client.delete(f"/api/v1/tokens/{made['id']}", headers=ada.headers)
    me = (str(ada.id), "authenticated")
    page = await read_log(subject=str(ada.id), actor=str(ada.id))
    assert brief(page) == [
        ("token.created", *me, {"token": made["id"], "scopes": ["tasks:read"], "expires_at": None}),
        ("profile.changed", *me, {"changed": ["full_name"]}),
        ("token.revoked", *me, {"token": made["id"]}),
    ]
    assert made["token"] not in json.dumps(page)


async def test_a_token_that_was_used_is_named(
    client: httpx.AsyncClient, root: Person, ada: Person, read_log: ReadLog
) -> None:
    token = {"name": "of a script", "scopes": ["users:write"]}
    made = (await client.post("/api/v1/tokens", json=token, headers=root.headers)).json()["data"]
    bearer = {"Authorization": f"Bearer {made['token']}"}
    assert (await client.post(f"/api/v1/users/{ada.id}/deactivate", headers=bearer)).status_code == 200
    [entry] = (await read_log(subject=str(ada.id), action="account.deactivated"))["data"]
    assert (entry["actor"]["id"], entry["token_id"]) == (str(root.id), made["id"])


async def test_what_is_done_in_sql_is_written_down_as_well(ada: Person, read_log: ReadLog, admin: Admin) -> None:
    for statement in (
        "update public.profiles set is_superuser = true where id = %s",
        "update auth.users set banned_until = 'infinity' where id = %s",
        "update auth.users set banned_until = null where id = %s",
        "update auth.users set last_sign_in_at = now() where id = %s",  # no news
        "update auth.users set raw_app_meta_data = '{\"is_superuser\": true}' where id = %s",
        "update auth.users set deleted_at = now(), email = 'gone' where id = %s",
        "delete from auth.users where id = %s",
    ):
        admin.execute(statement.encode(), (ada.id,))
    by = (None, "postgres")
    assert brief(await read_log(subject=str(ada.id))) == [
        ("account.created", *by, {}),
        ("superuser.granted", *by, {"by": "profile"}),
        ("account.banned", *by, {"until": "infinity"}),
        ("account.unbanned", *by, {"until": None}),
        ("superuser.granted", *by, {"by": "app_metadata"}),
        ("account.changed", *by, {"changed": ["app_metadata"]}),
        ("account.deleted", *by, {"soft": True}),
        ("superuser.revoked", *by, {"by": "profile"}),
        ("account.deleted", *by, {"soft": False}),
    ]


async def test_a_change_that_is_rolled_back_leaves_no_trace(ada: Person, read_log: ReadLog, admin: Admin) -> None:
    with admin.transaction(force_rollback=True):
        admin.execute("update public.profiles set is_active = false where id = %s", (ada.id,))
    assert [action for action, *_ in brief(await read_log(subject=str(ada.id)))] == ["account.created"]


async def test_only_superusers_read_it(client: httpx.AsyncClient, ada: Person, new_person: NewPerson) -> None:
    banned = new_person(superuser=True, banned_until="infinity")
    answer = await client.get(LOG, headers=ada.headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "permission_denied")
    assert (await client.get(LOG)).status_code == 401
    assert (await client.get(LOG, headers=banned.headers)).status_code in {401, 403}
    assert (await client.post(LOG, json={}, headers=ada.headers)).status_code == 405


async def test_pages_and_filters(ada: Person, read_log: ReadLog, admin: Admin) -> None:
    for number in range(4):
        admin.execute("update public.profiles set locale = %s where id = %s", (f"de-0{number}", ada.id))
    whole = (await read_log(subject=str(ada.id)))["data"]
    assert len(whole) == 5
    for order, expected in (("-happened", whole), ("happened", whole[::-1])):
        found, query = list[Json](), {"subject": str(ada.id), "limit": 2, "sort": order}
        while True:
            page = await read_log(**query)
            found += page["data"]
            if page["meta"]["next_cursor"] is None:
                break
            query["cursor"] = page["meta"]["next_cursor"]
        assert found == expected
    middle = whole[2]["happened_at"]
    assert len((await read_log(subject=str(ada.id), after=middle))["data"]) == 3
    assert len((await read_log(subject=str(ada.id), before=middle))["data"]) == 2
    actions = ["account.created", "token.revoked"]
    assert len((await read_log(subject=str(ada.id), action=actions))["data"]) == 1
    assert (await read_log(request_id="nobody's"))["data"] == []


BAD = [("action", "DROP TABLE"), ("actor", "x"), ("after", "now"), ("limit", "0"), ("sort", "id"), ("whom", "x")]


@pytest.mark.parametrize(("name", "value"), BAD)
async def test_a_bad_query_is_refused(client: httpx.AsyncClient, root: Person, name: str, value: str) -> None:
    answer = await client.get(LOG, params={name: value}, headers=root.headers)
    assert answer.status_code == 422
    wrong = await client.get(LOG, params={"cursor": "bm9uc2Vuc2U"}, headers=root.headers)
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "invalid_cursor")
