"""The server, or somebody at it, ends the connections of the pool."""

from typing import Any

import httpx
import psycopg
import pytest

from tests.faults.answers import TASKS, assert_unavailable
from tests.patience import eventually
from tests.people import Person
from tests.rls.doors import ask, assert_nobody
from tests.rls.serving import Service
from tests.rls.stage import identity_of


async def _idle_pid(service: Service) -> int:
    """The server's process behind the one connection, once the pool has it back."""
    pool = service.database._pool._pool
    await eventually(lambda: len(pool) == 1)
    return pool[0].info.backend_pid


def _terminate(admin: psycopg.Connection[Any], pid: int) -> None:
    assert admin.execute("select pg_terminate_backend(%s, 60000)", (pid,)).fetchone() == (True,)


async def _ask(service: Service, method: str, person: Person) -> httpx.Response:
    body = {"title": "after the fall"} if method == "POST" else None
    return await service.client.request(method, TASKS, json=body, headers=person.headers)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_connections_that_were_terminated_cost_one_503_each(
    narrow: Service, admin: psycopg.Connection[Any], ada: Person, method: str
) -> None:
    for _ in range(3):  # more often than there are connections: none may be lost for good
        assert (await _ask(narrow, method, ada)).is_success
        _terminate(admin, await _idle_pid(narrow))
        assert_unavailable(await _ask(narrow, method, ada))
    assert (await _ask(narrow, method, ada)).is_success
    await assert_nobody(narrow.database)


async def test_a_commit_whose_connection_was_terminated_is_a_503_and_writes_nothing(
    narrow: Service, admin: psycopg.Connection[Any], ada: Person
) -> None:
    @narrow.app.post("/doomed")
    async def doomed() -> str:
        async with narrow.database.session(identity_of(ada)) as session:
            await ask(session, "insert into public.tasks (title) values ('doomed')")
            pid = (await ask(session, "select pg_backend_pid()")).scalar_one()
            _terminate(admin, pid)
        return "written"

    assert_unavailable(await narrow.client.post("/doomed"))
    assert _count(admin, ada) == 0
    assert (await _ask(narrow, "POST", ada)).status_code == 201
    assert _count(admin, ada) == 1


async def test_a_commit_that_a_deferred_constraint_refuses_is_no_success(
    narrow: Service, admin: psycopg.Connection[Any], ada: Person
) -> None:
    """Everything went well until COMMIT itself: the answer must have waited for it."""
    admin.execute("""
      create function public.refuse() returns trigger language plpgsql as 'begin raise exception ''at commit''; end';
      create constraint trigger refuse after insert on public.tasks deferrable initially deferred
        for each row when (new.title = 'after the fall') execute function public.refuse();
    """)
    try:
        answer = await _ask(narrow, "POST", ada)
    finally:
        admin.execute("drop function public.refuse cascade")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
    assert "at commit" not in answer.text
    assert _count(admin, ada) == 0
    assert (await _ask(narrow, "POST", ada)).status_code == 201


def _count(admin: psycopg.Connection[Any], owner: Person) -> Any:
    return admin.execute("select count(*) from public.tasks where owner_id = %s", (owner.id,)).fetchone()[0]  # type: ignore[index]
