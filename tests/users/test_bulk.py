"""Many accounts at once: all or none, in the request or by a worker, and no password anywhere it could be read."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import psycopg
import pytest

from api_main.core.settings import Settings
from tests.jobs.client import JobsClient
from tests.jobs.working import worker_settings, working
from tests.people import Person
from tests.users.client import PASSWORD, Json, UsersClient, data, error_of, form

Admin = psycopg.Connection[Any]
EVERYWHERE = """
select t.x from (
  select j::text from public.jobs j union all select encode(content, 'escape') from public.job_files
  union all select l::text from private.audit_log l union all select q::text from procrastinate.procrastinate_jobs q
  union all select u::text from auth.users u union all select p::text from public.profiles p
) t (x) where x like '%%' || %s || '%%'
"""


def forms(mark: str, count: int, **changes: Any) -> list[Json]:
    return [form(mark, **changes) for _ in range(count)]


def found(admin: Admin, mark: str) -> int:
    row = admin.execute("select count(*) from auth.users where email like %s", (f"{mark}.%",)).fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture
async def worker(settings: Settings) -> AsyncIterator[None]:
    async with working(worker_settings(settings)):
        yield


@pytest.fixture
def jobs(client: httpx.AsyncClient, root: Person) -> JobsClient:
    return JobsClient(client, root)


async def bulk(users: UsersClient, wanted: list[Json]) -> httpx.Response:
    return await users.send("POST", "/bulk", json={"users": wanted})


async def test_some_are_made_in_the_request(client: httpx.AsyncClient, users: UsersClient, mark: str) -> None:
    wanted = forms(mark, 50, locale="fr")
    wanted[7] |= {"is_superuser": True, "username": mark, "password": None, "is_active": False}
    made = data(await bulk(users, wanted), 201)
    assert [user["email"] for user in made] == [each["email"] for each in wanted]
    assert (made[7]["username"], made[7]["is_active"], made[7]["is_superuser"]) == (mark, False, False)
    assert (await users.list(search=mark, include_total=True))["meta"]["total"] == 50
    credentials = {"email": wanted[3]["email"], "password": PASSWORD}
    assert (await client.post("/api/v1/auth/login", json=credentials)).status_code == 200


async def test_more_are_made_by_a_worker(
    client: httpx.AsyncClient, users: UsersClient, jobs: JobsClient, worker: None, mark: str, admin: Admin
) -> None:
    wanted = forms(mark, 120)
    answer = await bulk(users, wanted)
    job = data(answer, 202)
    assert answer.headers["location"] == f"/api/v1/jobs/{job['id']}"
    assert (job["kind"], job["parameters"]) == ("users.create", {"accounts": 120})
    ended = await jobs.wait(job["id"])
    assert (ended["state"], ended["result"]["summary"]) == ("succeeded", {"created": 120})
    made = (await jobs.result(job["id"])).json()
    assert [user["email"] for user in made] == [each["email"] for each in wanted]
    assert found(admin, mark) == 120
    credentials = {"email": wanted[119]["email"], "password": PASSWORD}
    assert (await client.post("/api/v1/auth/login", json=credentials)).status_code == 200
    whose = "select distinct actor_id, request_id from private.audit_log l join auth.users u on u.id = l.subject_id"
    entries = admin.execute(f"{whose} where u.email like %s and action = 'account.created'".encode(), (f"{mark}.%",))
    assert entries.fetchall() == [(jobs.person.id, f"job-{job['id']}")]
    counted = "select details from private.audit_log where action = 'administration.bulk_created' and request_id = %s"
    assert admin.execute(counted.encode(), (f"job-{job['id']}",)).fetchall() == [({"accounts": 120},)]


async def test_no_password_can_be_read_anywhere(
    users: UsersClient, jobs: JobsClient, settings: Settings, mark: str, admin: Admin, capfd: pytest.CaptureFixture[str]
) -> None:
    secret = f"secret of {mark}"
    job = data(await bulk(users, forms(mark, 51, password=secret)), 202)
    waiting = admin.execute("select content from public.job_files where job_id = %s", (job["id"],)).fetchall()
    assert [secret.encode() in content for (content,) in waiting] == [False]
    assert admin.execute(EVERYWHERE, (secret,)).fetchall() == []
    async with working(worker_settings(settings, log_level="DEBUG")):
        assert (await jobs.wait(job["id"]))["state"] == "succeeded"
    assert admin.execute(EVERYWHERE, (secret,)).fetchall() == []
    assert (
        admin.execute("select from public.job_files where job_id = %s and purpose = 'input'", (job["id"],)).fetchall()
        == []
    )
    assert secret not in "".join(capfd.readouterr())


@pytest.mark.parametrize("count", [3, 51])
async def test_all_or_none(users: UsersClient, mark: str, count: int, admin: Admin) -> None:
    there = await users.create(username=f"{mark}_x")
    for at_fault, expected in (
        ({"email": there["email"]}, (409, "email_taken", "email")),
        ({"username": f"{mark}_x"}, (409, "username_taken", "username")),
        ({"password": "password1"}, (422, "weak_password", "users.1.password")),
        ({"email": "nonsense"}, (422, "validation_failed", "users.1.email")),
        ({"role": "service_role"}, (422, "validation_failed", "users.1.role")),
    ):
        wanted = forms(mark, count)
        wanted[1] |= at_fault
        assert error_of(await bulk(users, wanted)) == expected
    assert found(admin, mark) == 0


async def test_what_is_taken_meanwhile_makes_none_and_is_said(
    users: UsersClient, jobs: JobsClient, settings: Settings, mark: str, admin: Admin
) -> None:
    wanted = forms(mark, 51)
    wanted[50]["username"] = mark
    job = data(await bulk(users, wanted), 202)
    await users.create(username=mark)
    async with working(worker_settings(settings)):
        ended = await jobs.wait(job["id"])
    assert (ended["state"], ended["error"]["code"]) == ("failed", "username_taken")
    assert found(admin, mark) == 0


async def test_whoever_is_no_superuser_any_more_makes_none(
    users: UsersClient, jobs: JobsClient, settings: Settings, mark: str, admin: Admin
) -> None:
    job = data(await bulk(users, forms(mark, 51)), 202)
    admin.execute("update public.profiles set is_superuser = false where id = %s", (jobs.person.id,))
    async with working(worker_settings(settings)):
        ended = await jobs.wait(job["id"])
    assert (ended["state"], ended["error"]["code"]) == ("failed", "permission_denied")
    assert found(admin, mark) == 0


async def test_what_was_sealed_otherwise_is_not_guessed_at(
    users: UsersClient, jobs: JobsClient, settings: Settings, mark: str, admin: Admin
) -> None:
    job = data(await bulk(users, forms(mark, 51)), 202)
    change = "update public.job_files set content = content || '\\x00' where job_id = %s"
    admin.execute(change.encode(), (job["id"],))
    async with working(worker_settings(settings)):
        ended = await jobs.wait(job["id"])
    assert (ended["state"], ended["error"]["code"]) == ("failed", "unreadable")


@pytest.mark.parametrize("count", [0, 1001])
async def test_a_bulk_has_1_to_1000_accounts(users: UsersClient, mark: str, count: int) -> None:
    assert error_of(await bulk(users, forms(mark, count))) == (422, "validation_failed", "users")


@pytest.mark.parametrize("name", ["email", "username"])
async def test_nobody_is_named_twice(users: UsersClient, mark: str, name: str) -> None:
    wanted = forms(mark, 3, username=f"{mark}_y") if name == "username" else [form(mark)] * 2
    if name == "email":
        wanted[1] = {**wanted[1], "email": wanted[0]["email"].upper()}
    answer = await bulk(users, wanted)
    assert error_of(answer) == (422, "validation_failed", "body")
    assert f"each {name} may be given once" in json.dumps(answer.json())


async def test_a_token_needs_its_scope_and_no_more(
    client: httpx.AsyncClient, users: UsersClient, root: Person, mark: str
) -> None:
    for scope, status in (("users:read", 403), ("users:write", 202)):
        token = {"name": "bulk", "scopes": [scope]}
        text = data(await client.post("/api/v1/tokens", json=token, headers=root.headers), 201)["token"]
        headers = {"Authorization": f"Bearer {text}"}
        answer = await client.post("/api/v1/users/bulk", json={"users": forms(mark, 51)}, headers=headers)
        assert answer.status_code == status, answer.text
