"""The numbers are right, at every moment, and everybody's are for superusers alone."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from api_main.core.settings import Settings
from api_main.main import create_app
from tests.conftest import NewPerson
from tests.jobs.working import worker_settings, working
from tests.patience import eventually
from tests.people import Person

Admin = psycopg.Connection[Any]
Json = dict[str, Any]
STATS = "/api/v1/dashboard/stats"
TASKS = "/api/v1/tasks"
STATUSES = ("pending", "in_progress", "completed", "cancelled")
PRIORITIES = ("low", "medium", "high", "urgent")
COUNTED = """
select status, priority, count(*), count(*) filter (where status in ('pending', 'in_progress') and due_at < now())
from public.tasks group by 1, 2
"""


@pytest.fixture
def root(new_person: NewPerson) -> Person:
    return new_person(superuser=True)


@pytest.fixture
async def api(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """An application whose cache holds nothing of other tests."""
    app: FastAPI = create_app(settings)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://t") as http:
        yield http


@pytest.fixture
def tasks(admin: Admin) -> Iterator[Admin]:
    """A transaction in which tasks are written, and of which nothing stays."""
    with admin.transaction(force_rollback=True):
        yield admin


async def stats(api: httpx.AsyncClient, person: Person) -> Json:
    answer = await api.get(STATS, headers=person.headers)
    assert answer.status_code == 200, answer.text
    numbers: Json = answer.json()["data"]
    return numbers


def all_numbers(admin: Admin, root: Person) -> Json:
    """What the database answers a superuser, in the transaction that is open."""
    claims = json.dumps({"sub": str(root.id), "role": "authenticated"})
    admin.execute("select set_config('request.jwt.claims', %s, true)", (claims,))
    row = admin.execute("select private.all_numbers(30)").fetchone()
    assert row is not None
    numbers: Json = row[0]
    return numbers


def assert_right(admin: Admin, root: Person) -> Json:
    """The numbers are those that counting every task gives. Returns them."""
    numbers = all_numbers(admin, root)["tasks"]
    by_status, by_priority, overdue = Counter[str](), Counter[str](), 0
    for status, priority, count, late in admin.execute(COUNTED):
        by_status[status] += count
        by_priority[priority] += count
        overdue += late
    assert numbers == {
        "total": by_status.total(),
        "by_status": {status: by_status[status] for status in STATUSES},
        "by_priority": {priority: by_priority[priority] for priority in PRIORITIES},
        "overdue": overdue,
    }
    left: Json = numbers
    return left


async def create(api: httpx.AsyncClient, person: Person, **task: Any) -> Json:
    answer = await api.post(TASKS, json={"title": "A task", **task}, headers=person.headers)
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()["data"]
    return made


async def test_everybody_gets_their_own_numbers(api: httpx.AsyncClient, ada: Person, bob: Person) -> None:
    late = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    await create(api, ada, status="completed", priority="urgent", due_at=late)
    await create(api, ada, priority="low", due_at=late)
    await create(api, bob)
    numbers = await stats(api, ada)
    assert (numbers["scope"], numbers["users"]) == ("own", None)
    assert numbers["tasks"] == {
        "total": 2,
        "by_status": {"pending": 1, "in_progress": 0, "completed": 1, "cancelled": 0},
        "by_priority": {"low": 1, "medium": 0, "high": 0, "urgent": 1},
        "overdue": 1,
    }
    assert (await stats(api, bob))["tasks"]["total"] == 1


async def test_without_anything_all_is_zero(api: httpx.AsyncClient, ada: Person) -> None:
    numbers = (await stats(api, ada))["tasks"]
    assert {numbers["total"], numbers["overdue"], *numbers["by_status"].values()} == {0}


async def test_superusers_get_everybodys(api: httpx.AsyncClient, root: Person, ada: Person, admin: Admin) -> None:
    await create(api, ada)
    numbers = await stats(api, root)
    with admin.transaction(force_rollback=True):
        assert numbers["tasks"] == assert_right(admin, root)
    assert numbers["scope"] == "all"
    counts = admin.execute(
        "select count(*), count(*) filter (where is_active) from public.profiles p"
        " where not exists (select from auth.users u where u.id = p.id and u.deleted_at is not null)"
    ).fetchone()
    assert (numbers["users"]["total"], numbers["users"]["active"]) == counts
    days = numbers["users"]["new_per_day"]
    today = datetime.now(UTC).date()
    assert [day["day"] for day in days] == [str(today - timedelta(days=ago)) for ago in range(29, -1, -1)]
    per_day = """
    select (p.created_at at time zone 'UTC')::date, count(*) from public.profiles p join auth.users u on u.id = p.id
    where u.deleted_at is null group by 1
    """
    made = {str(day): count for day, count in admin.execute(per_day)}
    assert [day["users"] for day in days] == [made.get(day["day"], 0) for day in days]


async def test_whoever_is_deleted_counts_no_more_though_their_tasks_stay(
    api: httpx.AsyncClient, root: Person, new_person: NewPerson, admin: Admin
) -> None:
    gone, restored = new_person(), new_person()
    await create(api, gone)
    before = await stats(api, root)
    for person in (gone, restored):
        path = f"/api/v1/users/{person.id}"
        assert (await api.delete(path, params={"soft": True}, headers=root.headers)).status_code == 204
    fewer = await stats(api, root)
    assert {name: before["users"][name] - fewer["users"][name] for name in ("total", "active")} == {
        "total": 2,
        "active": 2,
    }
    assert before["users"]["new_per_day"][-1]["users"] - fewer["users"]["new_per_day"][-1]["users"] == 2
    assert before["tasks"]["total"] == fewer["tasks"]["total"]
    admin.execute("update auth.users set deleted_at = null where id = %s", (restored.id,))
    with admin.transaction(force_rollback=True):
        assert all_numbers(admin, root)["users"]["total"] == fewer["users"]["total"] + 1


async def test_a_write_shows_at_once(api: httpx.AsyncClient, root: Person, ada: Person) -> None:
    for person in (ada, root):
        assert (await stats(api, person)) == (await stats(api, person))  # kept
    everybodys = (await stats(api, root))["tasks"]["total"]
    task = await create(api, ada)
    assert (await stats(api, ada))["tasks"]["total"] == 1
    assert (await stats(api, root))["tasks"]["total"] == everybodys + 1
    await api.patch(f"{TASKS}/{task['id']}", json={"status": "completed"}, headers=ada.headers)
    assert (await stats(api, ada))["tasks"]["by_status"]["completed"] == 1
    await api.delete(f"{TASKS}/{task['id']}", headers=ada.headers)
    assert (await stats(api, ada))["tasks"]["total"] == 0
    assert (await stats(api, root))["tasks"]["total"] == everybodys


async def test_what_is_kept_is_shown_again_without_the_database(
    api: httpx.AsyncClient, ada: Person, admin: Admin
) -> None:
    await create(api, ada)
    before = await stats(api, ada)
    admin.execute("delete from public.tasks where owner_id = %s", (ada.id,))  # which nobody tells the API
    assert await stats(api, ada) == before


async def test_nobody_is_shown_anothers_and_rights_count_at_once(
    api: httpx.AsyncClient, root: Person, ada: Person, bob: Person
) -> None:
    await create(api, ada)
    assert (await stats(api, root))["scope"] == "all"
    assert (await stats(api, ada))["tasks"]["total"] == 1
    assert (await stats(api, bob))["tasks"]["total"] == 0
    for is_superuser, scope in ((True, "all"), (False, "own")):
        change = {"is_superuser": is_superuser}
        answer = await api.patch(f"/api/v1/users/{bob.id}", json=change, headers=root.headers)
        assert answer.status_code == 200
        assert (await stats(api, bob))["scope"] == scope


async def test_a_new_account_shows_at_once(api: httpx.AsyncClient, root: Person) -> None:
    before = (await stats(api, root))["users"]["total"]
    form = {"email": f"{uuid4().hex}@example.com", "password": "a quiet afternoon"}
    assert (await api.post("/api/v1/auth/register", json=form)).status_code == 201
    assert (await stats(api, root))["users"]["total"] == before + 1
    form["email"] = f"x{form['email']}"
    made = await api.post("/api/v1/users", json=form, headers=root.headers)
    assert (await stats(api, root))["users"]["total"] == before + 2
    await api.delete(f"/api/v1/users/{made.json()['data']['id']}", headers=root.headers)
    assert (await stats(api, root))["users"]["total"] == before + 1


async def test_a_refused_write_invalidates_nothing_and_nobody_is_let_in_without_a_token(
    api: httpx.AsyncClient, ada: Person, admin: Admin
) -> None:
    before = await stats(api, ada)
    admin.execute("insert into public.tasks (owner_id, title) values (%s, 'unseen')", (ada.id,))
    assert (await api.post(TASKS, json={}, headers=ada.headers)).status_code == 422
    assert await stats(api, ada) == before
    assert (await api.get(STATS)).status_code == 401


async def test_sums_are_for_superusers(ada: Person, admin: Admin) -> None:
    claims = json.dumps({"sub": str(ada.id), "role": "authenticated"})
    with admin.transaction(force_rollback=True):
        admin.execute("select set_config('role', 'authenticated', true)")
        admin.execute("select set_config('request.jwt.claims', %s, true)", (claims,))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            admin.execute("select private.all_numbers(30)")


WRITES = {
    "new tasks of every kind": """
      insert into public.tasks (owner_id, title, status, priority, due_at)
      select %(ada)s, 't', s, p, now() + d * interval '1 hour'
      from unnest(enum_range(null::public.task_status)) s, unnest(enum_range(null::public.task_priority)) p,
        generate_series(-60, 60, 13) d""",
    "without a date, and at the end of time": """
      insert into public.tasks (owner_id, title, due_at) values (%(ada)s, 't', null), (%(ada)s, 't', 'infinity'),
        (%(ada)s, 't', '-infinity'), (%(ada)s, 't', now() - interval '1 second')""",
    "another status": "update public.tasks set status = 'in_progress' where owner_id = %(ada)s and priority = 'low'",
    "completed": "update public.tasks set status = 'completed' where owner_id = %(ada)s and status = 'pending'",
    "another date": "update public.tasks set due_at = now() - interval '1 day' where owner_id = %(ada)s",
    "another priority": "update public.tasks set priority = 'urgent' where owner_id = %(ada)s",
    "what does not count": "update public.tasks set title = 'u' where owner_id = %(ada)s",
    "nothing": "update public.tasks set status = 'pending' where false",
    "some deleted": "delete from public.tasks where owner_id = %(ada)s and due_at is null",
    "the owner deleted": "delete from auth.users where id = %(ada)s",
}


@pytest.mark.parametrize("adds_up", [False, True], ids=["as noted", "added up"])
def test_the_numbers_are_right_after_every_kind_of_write(
    tasks: Admin, root: Person, ada: Person, adds_up: bool
) -> None:
    for statement in WRITES.values():
        tasks.execute(statement.encode(), {"ada": ada.id})
        if adds_up:
            tasks.execute("select private.add_up_task_counts()")
            assert tasks.execute("select count(*) from private.task_count_changes").fetchone() == (0,)
        assert_right(tasks, root)


def test_a_write_that_changes_no_number_notes_none(tasks: Admin, ada: Person) -> None:
    tasks.execute("insert into public.tasks (owner_id, title) values (%s, 't')", (ada.id,))
    tasks.execute("select private.add_up_task_counts()")
    tasks.execute("update public.tasks set title = 'u', description = 'v' where owner_id = %s", (ada.id,))
    assert tasks.execute("select count(*) from private.task_count_changes").fetchone() == (0,)


async def test_a_worker_adds_the_notes_up(settings: Settings, admin: Admin, ada: Person) -> None:
    admin.execute("insert into public.tasks (owner_id, title) values (%s, 't')", (ada.id,))
    noted = "select count(*) from private.task_count_changes"
    async with working(worker_settings(settings)):
        await eventually(lambda: admin.execute(noted.encode()).fetchone() == (0,))


def test_truncation_leaves_no_number(tasks: Admin, root: Person, ada: Person) -> None:
    tasks.execute("insert into public.tasks (owner_id, title) values (%s, 't')", (ada.id,))
    tasks.execute("truncate public.tasks cascade")
    assert assert_right(tasks, root)["total"] == 0


def test_writers_at_the_same_moment_wait_neither_for_each_other_nor_for_the_sums(
    admin: Admin, admin_url: str, root: Person, ada: Person, bob: Person
) -> None:
    """One adds up while another has not committed: nothing is lost, nothing counted twice."""
    add = "insert into public.tasks (owner_id, title, status, priority) values (%s, 't', 'completed', 'urgent')"
    with psycopg.connect(admin_url) as one, psycopg.connect(admin_url) as two:
        one.execute("set lock_timeout = '5s'")
        two.execute("set lock_timeout = '5s'")
        one.execute(add.encode(), (ada.id,))
        two.execute(add.encode(), (bob.id,))
        two.commit()
        admin.execute("select private.add_up_task_counts()")
        with admin.transaction(force_rollback=True):
            assert_right(admin, root)
        one.commit()
    with admin.transaction(force_rollback=True):
        assert_right(admin, root)
    admin.execute("select private.add_up_task_counts()")
    with admin.transaction(force_rollback=True):
        assert_right(admin, root)
