"""The list of accounts: filters, search, order, pages."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from tests.conftest import NewPerson
from tests.people import Person
from tests.users.client import Json, UsersClient, error_of

Admin = psycopg.Connection[Any]
START = datetime(2001, 1, 1, tzinfo=UTC)


@pytest.fixture
def crowd(new_person: NewPerson, admin: Admin, mark: str) -> list[Person]:
    """Seven people whose names hold the mark, an hour apart; the second is a superuser, the third switched off."""
    people = [new_person(email=f"{chr(103 - n)}.{mark}@example.com") for n in range(7)]
    for number, person in enumerate(people):
        admin.execute(
            "update public.profiles set created_at = %s, full_name = %s, username = %s where id = %s",
            (START + timedelta(hours=number // 2), f"{number % 3} Ada {mark.upper()}", f"{mark}_{number}", person.id),
        )
    admin.execute("update auth.users set raw_app_meta_data = '{\"is_superuser\": true}' where id = %s", (people[1].id,))
    admin.execute("update public.profiles set is_active = false where id = %s", (people[2].id,))
    return people


def ids(page: Json) -> list[str]:
    return [user["id"] for user in page["data"]]


def numbers(people: list[Person], page: Json) -> list[int]:
    places = {str(person.id): number for number, person in enumerate(people)}
    return [places[user_id] for user_id in ids(page)]


@pytest.mark.parametrize("order", ["created", "-created", "email", "-email", "name", "-name"])
async def test_pages_hold_everybody_once_in_every_order(
    users: UsersClient, crowd: list[Person], mark: str, order: str
) -> None:
    whole = await users.list(search=mark, sort=order, include_total=True)
    assert (whole["meta"]["total"], whole["meta"]["next_cursor"], len(whole["data"])) == (7, None, 7)
    found, cursor = list[str](), None
    while True:
        page = await users.list(search=mark, sort=order, limit=2, **({"cursor": cursor} if cursor else {}))
        found += ids(page)
        cursor = page["meta"]["next_cursor"]
        if cursor is None:
            break
    assert found == ids(whole)
    key = {"created": "created_at", "email": "email", "name": "full_name"}[order.removeprefix("-")]
    keys = [user[key] for user in whole["data"]]
    assert keys == sorted(keys, reverse=order.startswith("-"))
    other = {"search": mark, "cursor": page["meta"]["next_cursor"] or "bm9uc2Vuc2U", "sort": order}
    assert error_of(await users.send("GET", params=other)) == (400, "invalid_cursor", "cursor")


async def test_filters_must_all_hold(users: UsersClient, crowd: list[Person], mark: str) -> None:
    async def find(**wanted: Any) -> list[int]:
        return numbers(crowd, await users.list(search=mark, sort="-email", **wanted))

    assert await find(is_active=False) == [2]
    assert await find(is_superuser=True) == [1]
    assert await find(is_superuser=False, is_active=True) == [0, 3, 4, 5, 6]
    assert await find(created_after=(START + timedelta(hours=1)).isoformat()) == [2, 3, 4, 5, 6]
    assert await find(created_before=(START + timedelta(hours=1)).isoformat()) == [0, 1]
    assert await find(created_after=START.isoformat(), created_before=START.isoformat()) == []
    assert (await users.list(search=mark, is_active=False, include_total=True))["meta"]["total"] == 1


@pytest.mark.parametrize("part", ["{mark}_3", "d.{mark}@EXAMPLE", "0 ada {mark}", "D.{mark}@example.com"])
async def test_a_search_looks_at_name_email_and_username(
    users: UsersClient, crowd: list[Person], mark: str, part: str
) -> None:
    assert 3 in numbers(crowd, await users.list(search=part.format(mark=mark)))


@pytest.mark.parametrize("part", ["{mark}%_3", "{mark}\\_3", "_.{mark}", "%{mark}%", "' or true --", "\\"])
async def test_a_search_takes_no_wildcards(users: UsersClient, crowd: list[Person], mark: str, part: str) -> None:
    assert not set(ids(await users.list(search=part.format(mark=mark)))) & {str(person.id) for person in crowd}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("limit", "0"), ("limit", "101"), ("sort", "password"), ("is_active", "maybe"), ("search", "")),
        *(("search", " "), ("search", "a\x00"), ("created_after", "yesterday"), ("role", "x"), ("cursor", "x" * 5000)),
    ],
    ids=ascii,
)
async def test_a_bad_query_is_refused(users: UsersClient, name: str, value: str) -> None:
    assert error_of(await users.send("GET", params={name: value})) == (422, "validation_failed", name)


async def test_the_list_says_what_the_account_is(users: UsersClient, new_person: NewPerson, mark: str) -> None:
    banned = new_person(email=f"{mark}@example.com", banned_until="infinity", is_anonymous=True)
    [shown] = (await users.list(search=mark))["data"]
    assert (shown["id"], shown["is_anonymous"], shown["email"]) == (str(banned.id), True, banned.email)
    assert shown["banned_until"] is not None
    assert not {"encrypted_password", "raw_app_meta_data", "phone"} & set(shown)
