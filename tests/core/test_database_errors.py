"""What an error of the database means to the caller, row by row, and as Postgres really raises it."""

import asyncio
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import errors
from psycopg_pool import PoolTimeout

from api_main.core.database import Database
from api_main.core.error_handlers import BY_SQLSTATE, from_database
from api_main.core.settings import Settings
from api_main.main import create_app
from tests.patience import eventually
from tests.people import Person

TABLE = {
    "42501": (403, "permission_denied"),
    "23503": (409, "conflict"),
    "23505": (409, "conflict"),
    "23514": (422, "validation_failed"),
    "23502": (422, "validation_failed"),
    "22001": (400, "bad_request"),
    "22P02": (400, "bad_request"),
    "22012": (400, "bad_request"),
    "40001": (409, "conflict"),
    "40P01": (409, "conflict"),
    "55P03": (409, "conflict"),
    "57014": (504, "timeout"),
    "25P03": (504, "timeout"),
    "53100": (503, "database_unavailable"),
    "53200": (503, "database_unavailable"),
    "53300": (503, "database_unavailable"),
    "57P01": (503, "database_unavailable"),
    "57P02": (503, "database_unavailable"),
    "57P03": (503, "database_unavailable"),
    "58030": (503, "database_unavailable"),
    "08006": (503, "database_unavailable"),
    "42P01": (500, "internal_error"),
    "42601": (500, "internal_error"),
    "25006": (500, "internal_error"),
    "P0001": (500, "internal_error"),
    "XX000": (500, "internal_error"),
}


@pytest.mark.parametrize(("state", "meaning"), TABLE.items())
def test_each_state_has_its_meaning(state: str, meaning: tuple[int, str]) -> None:
    converted = from_database(errors.lookup(state)("duplicate key (email)=(bob@example.com)"))
    assert (converted.status, converted.code) == meaning
    assert "bob" not in converted.message
    assert ("Retry-After" in converted.headers) == (converted.status == 503)


def test_every_row_of_the_table_is_tested() -> None:
    assert {next(key for key in (state, state[:2]) if key in BY_SQLSTATE) for state in TABLE if meant(state)} == set(
        BY_SQLSTATE
    )


def meant(state: str) -> bool:
    return state in BY_SQLSTATE or state[:2] in BY_SQLSTATE


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (PoolTimeout("5 s"), 503),
        (psycopg.OperationalError("server closed the connection"), 503),
        (psycopg.InterfaceError("the connection is closed"), 503),
        (psycopg.ProgrammingError("a mistake of ours"), 500),
    ],
)
def test_an_error_without_a_state_is_judged_by_its_kind(error: psycopg.Error, status: int) -> None:
    assert from_database(error).status == status


OTHERS_TASK = "insert into public.tasks (id, owner_id, title) values (gen_random_uuid(), gen_random_uuid(), 'x')"
PROVOKED = [
    (OTHERS_TASK, 403),
    ("select * from auth.users", 403),
    ("set role service_role", 403),
    ("insert into public.tasks (title) values ('')", 422),
    ("insert into public.tasks (title) values (null)", 422),
    ("insert into public.tasks (id, title) select id, 'x' from public.tasks", 409),
    ("select 1 / 0", 400),
    ("select 'x'::uuid", 400),
    ("do $$ begin raise sqlstate '57014'; end $$", 504),
    ("do $$ begin raise sqlstate '40001'; end $$", 409),
    ("do $$ begin raise sqlstate '53300'; end $$", 503),
    ("select pg_terminate_backend(pg_backend_pid())", 403),
    ("select * from nowhere", 500),
    ("do $$ begin raise 'hunter2'; end $$", 500),
]


@pytest.mark.parametrize(("sql", "status"), PROVOKED)
async def test_what_postgres_raises_becomes_the_right_answer(
    http: httpx.AsyncClient, ada: Person, sql: str, status: int
) -> None:
    await http.post("/api/v1/tasks", json={"title": "hunter2"}, headers=ada.headers)
    answer = await http.post("/stage/sql", json={"sql": sql}, headers=ada.headers)
    assert answer.status_code == status, answer.text
    assert ("Retry-After" in answer.headers) == (status == 503)
    assert "hunter2" not in answer.text
    assert "tasks" not in answer.text
    assert (await http.get("/api/v1/tasks", headers=ada.headers)).status_code == 200


async def test_a_pool_without_a_free_connection_is_a_503_at_both_doors(settings: Settings, ada: Person) -> None:
    tight = settings.model_copy(update={"database_pool_max": 1, "database_pool_min": 1, "database_pool_timeout": 0.1})
    app = create_app(tight)
    async with app.router.lifespan_context(app):
        database: Database = app.state.database
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with (
            httpx.AsyncClient(transport=transport, base_url="http://api.test") as http,
            database._pool.connection(),
        ):
            for method, body in [("GET", None), ("POST", {"title": "x"})]:
                answer = await http.request(method, "/api/v1/tasks", json=body, headers=ada.headers)
                assert (answer.status_code, answer.json()["error"]["code"]) == (503, "database_unavailable")
                assert int(answer.headers["Retry-After"]) >= 1


SLEEP = "select pg_sleep(60)"
SLEEPERS = "select pid from pg_stat_activity where query = %s and state = 'active'"
BEFORE_THE_ROLES_OWN_LIMIT = 6.0  # seconds, of 8


async def sleepers(admin: psycopg.Connection[Any]) -> list[int]:
    """Wait until there are queries that sleep. Their processes."""
    found: list[int] = []

    def is_there() -> bool:
        found[:] = [pid for (pid,) in admin.execute(SLEEPERS, (SLEEP,))]
        return found != []

    await eventually(is_there)
    return found


async def wait_until_nobody_sleeps(admin: psycopg.Connection[Any]) -> None:
    await eventually(lambda: admin.execute(SLEEPERS, (SLEEP,)).fetchall() == [], BEFORE_THE_ROLES_OWN_LIMIT)


async def test_a_request_that_takes_too_long_is_a_504_and_its_query_is_cancelled(
    http: httpx.AsyncClient, hasty: httpx.AsyncClient, ada: Person, admin: psycopg.Connection[Any]
) -> None:
    answer = await hasty.post("/stage/sql", json={"sql": SLEEP}, headers=ada.headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "timeout")
    await wait_until_nobody_sleeps(admin)
    assert (await http.get("/api/v1/tasks", headers=ada.headers)).status_code == 200


async def test_a_connection_that_is_killed_is_a_503(
    http: httpx.AsyncClient, ada: Person, admin: psycopg.Connection[Any]
) -> None:
    request = asyncio.create_task(http.post("/stage/sql", json={"sql": SLEEP}, headers=ada.headers))
    for pid in await sleepers(admin):
        admin.execute("select pg_terminate_backend(%s)", (pid,))
    answer = await request
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "database_unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
    assert (await http.get("/api/v1/tasks", headers=ada.headers)).status_code == 200


async def test_a_cancelled_request_leaves_no_query_and_no_identity_behind(
    http: httpx.AsyncClient, ada: Person, bob: Person, admin: psycopg.Connection[Any]
) -> None:
    await http.post("/api/v1/tasks", json={"title": "ada's"}, headers=ada.headers)
    for _ in range(4):
        request = asyncio.create_task(http.post("/stage/sql", json={"sql": SLEEP}, headers=ada.headers))
        await sleepers(admin)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        await wait_until_nobody_sleeps(admin)
    answers = await asyncio.gather(*[http.get("/api/v1/tasks", headers=bob.headers) for _ in range(8)])
    assert [answer.json()["data"] for answer in answers] == [[]] * 8
