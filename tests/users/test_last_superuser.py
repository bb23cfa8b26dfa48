"""There is always a superuser: whoever takes powers away, from wherever, and at the same moment as somebody else."""

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.errors import CheckViolation, InvalidTransactionState

from tests.conftest import NewPerson
from tests.patience import eventually
from tests.people import Person
from tests.superusers import only_superuser
from tests.users.client import UsersClient, error_of

Admin = psycopg.Connection[Any]

LOSSES = {
    "demoted": "update public.profiles set is_superuser = false where id = %s",
    "switched off": "update public.profiles set is_active = false where id = %s",
    "without a profile": "delete from public.profiles where id = %s",
    "banned": "update auth.users set banned_until = 'infinity' where id = %s",
    "deleted softly": "update auth.users set deleted_at = now() where id = %s",
    "deleted": "delete from auth.users where id = %s",
}
BY_METADATA = """update auth.users set raw_app_meta_data = '{"is_superuser": true}' where id = %s"""
WAITING = "select count(*) = 1 from pg_locks where locktype = 'advisory' and not granted"


@pytest.fixture
def lonely(root: Person, admin: Admin) -> Iterator[Person]:
    """The only superuser that there is, for a while."""
    with only_superuser(admin, root.id):
        yield root


async def test_the_api_keeps_the_last_superuser(users: UsersClient, lonely: Person, ada: Person) -> None:
    for change in ({"is_superuser": False}, {"is_active": False}, {"full_name": "Changed", "is_superuser": False}):
        assert error_of(await users.send("PATCH", f"/{lonely.id}", json=change)) == (409, "last_superuser", None)
    answer = await users.send("POST", f"/{lonely.id}/deactivate")
    assert error_of(answer) == (409, "last_superuser", None)
    for soft in (False, True):
        answer = await users.send("DELETE", f"/{lonely.id}", params={"soft": soft})
        assert error_of(answer) == (409, "last_superuser", None)
    assert [user["id"] for user in (await users.list(is_superuser=True))["data"]] == [str(lonely.id)]
    assert (await users.list(search=lonely.email))["data"][0]["full_name"] is None
    await users.change(ada.id, is_superuser=True)
    assert (await users.change(lonely.id, is_superuser=False))["is_superuser"] is False
    assert (await users.send("GET")).status_code == 403


@pytest.mark.parametrize("how", LOSSES)
def test_sql_keeps_the_last_superuser(lonely: Person, ada: Person, admin: Admin, how: str) -> None:
    statement = LOSSES[how].encode()
    with pytest.raises(CheckViolation, match="There must be a superuser left"):
        admin.execute(statement, [lonely.id])
    with admin.transaction(force_rollback=True):
        admin.execute(statement, [ada.id])  # who is none
    with admin.transaction(force_rollback=True):
        admin.execute(BY_METADATA, [ada.id])  # another one
        admin.execute(statement, [lonely.id])
        with pytest.raises(CheckViolation), admin.transaction():
            admin.execute("update auth.users set raw_app_meta_data = '{}' where id = %s", [ada.id])


def test_not_all_at_once_either(lonely: Person, ada: Person, admin: Admin) -> None:
    for statement in (
        "update public.profiles set is_superuser = false",
        "update public.profiles set is_active = false",
        "delete from auth.users where id in (select id from public.profiles where is_superuser)",
        "update auth.users set banned_until = 'infinity'",
    ):
        with admin.transaction(force_rollback=True):
            admin.execute("update public.profiles set is_superuser = true where id = %s", [ada.id])
            with pytest.raises(CheckViolation):
                admin.execute(statement.encode())


def test_one_way_of_two_may_go(lonely: Person, admin: Admin) -> None:
    with admin.transaction(force_rollback=True):
        admin.execute(BY_METADATA, [lonely.id])
        admin.execute(LOSSES["demoted"].encode(), [lonely.id])
        with pytest.raises(CheckViolation), admin.transaction():
            admin.execute("update auth.users set raw_app_meta_data = '{}' where id = %s", [lonely.id])


@pytest.mark.parametrize("first", LOSSES)
@pytest.mark.parametrize("second", ["demoted", "banned", "deleted"])
async def test_two_at_the_same_moment_do_not_take_both(
    lonely: Person, new_person: NewPerson, admin: Admin, admin_url: str, first: str, second: str
) -> None:
    other = new_person(superuser=True)
    try:
        async with (
            await psycopg.AsyncConnection.connect(admin_url) as one,
            await psycopg.AsyncConnection.connect(admin_url) as two,
        ):
            await one.execute(LOSSES[first].encode(), [other.id])
            waits = asyncio.create_task(two.execute(LOSSES[second].encode(), [lonely.id]))
            await eventually(lambda: admin.execute(WAITING).fetchone() == (True,))
            await one.commit()
            with pytest.raises(CheckViolation):
                await waits
    finally:
        admin.execute("delete from auth.users where id = %s", [other.id])


async def test_superusers_who_demote_each_other_leave_one(
    users: UsersClient, lonely: Person, new_person: NewPerson, admin: Admin
) -> None:
    other = new_person(superuser=True)
    others = UsersClient(users.http, other)
    answers = await asyncio.gather(
        users.send("PATCH", f"/{other.id}", json={"is_superuser": False}),
        others.send("PATCH", f"/{lonely.id}", json={"is_superuser": False}),
    )
    assert sorted(answer.status_code for answer in answers) in ([200, 403], [200, 409])
    left = admin.execute("select id from public.profiles where is_superuser").fetchall()
    assert len(left) == 1
    admin.execute("update public.profiles set is_superuser = true where id = %s", [lonely.id])


def test_an_old_snapshot_is_no_answer(lonely: Person, ada: Person, admin: Admin) -> None:
    with admin.transaction(force_rollback=True):
        admin.execute("set transaction isolation level repeatable read")
        admin.execute("update public.profiles set is_superuser = true where id = %s", [ada.id])
        with pytest.raises(InvalidTransactionState), admin.transaction():
            admin.execute(LOSSES["demoted"].encode(), [lonely.id])
