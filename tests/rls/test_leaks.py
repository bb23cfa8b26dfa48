"""Two hundred clients of fifty people on four connections: nobody is shown, or writes, what is another's."""

from collections import Counter
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from api_main.core.database import Database
from api_main.core.settings import Settings
from local_stack.postgres import EmbeddedPostgres
from tests.conftest import API_PASSWORD, NewPerson
from tests.missing import missing
from tests.patience import eventually
from tests.people import Person
from tests.rls.crowd import gather_crowd, misplaced_tasks, rush
from tests.rls.doors import assert_clean
from tests.rls.pgbouncer import PROGRAM, pgbouncer
from tests.rls.serving import serve

CLIENTS, PEOPLE, CONNECTIONS = 200, 50, 4
SLOW_SECONDS = 1.0  # then what is slow is stopped

STATES = """
select state from pg_stat_activity
where usename = 'api_main' and application_name <> 'api-main listener' and pid <> all (%s)
"""


@pytest.fixture(scope="module")
def people(new_person: NewPerson) -> list[Person]:
    return [new_person() for _ in range(PEOPLE)]


@pytest.fixture(scope="module")
def strangers_task(new_person: NewPerson, admin: psycopg.Connection[Any]) -> str:
    stranger, task = new_person(), uuid4()
    admin.execute("insert into public.tasks (id, owner_id, title) values (%s, %s, 'mine')", (task, stranger.id))
    return str(task)


@pytest.fixture(params=["direct", "pgbouncer"])
def crowded(
    request: pytest.FixtureRequest,
    settings: Settings,
    postgres: EmbeddedPostgres,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Settings]:
    """Settings with four connections: to the server itself, or to a pooler in transaction mode."""
    changes = {"database_pool_min": CONNECTIONS, "database_pool_max": CONNECTIONS}
    if request.param == "direct":
        yield settings.model_copy(update=changes)
        return
    if not PROGRAM.exists():
        missing(f"{PROGRAM} is not installed: ./scripts/install-test-tools")
    with pgbouncer(tmp_path_factory.mktemp("pgbouncer"), postgres, "api_main", API_PASSWORD) as url:
        yield settings.model_copy(update={**changes, "database_url": url, "database_transaction_pooler": True})


async def test_no_identity_leaks_from_one_client_to_another(
    crowded: Settings, people: list[Person], strangers_task: str, admin: psycopg.Connection[Any]
) -> None:
    others = [pid for (pid,) in admin.execute("select pid from pg_stat_activity where usename = 'api_main'")]
    async with serve(crowded, SLOW_SECONDS) as service:
        crowd = gather_crowd(service.client, people, CLIENTS, strangers_task)
        await rush(crowd)
        statuses = sum((client.statuses for client in crowd), Counter[int]())
        assert set(statuses) <= {200, 201, 204, 404, 504}
        assert sum(statuses[ok] for ok in (200, 201, 204)) > 2 * CLIENTS
        assert min(statuses[404], statuses[504], sum(client.cut_off for client in crowd)) > 0
        assert sum(client.seen for client in crowd) > CLIENTS
        assert misplaced_tasks(admin, people) == []
        await _assert_whole_and_clean(service.database)
        await _assert_idle(admin, others)


async def _assert_whole_and_clean(database: Database) -> None:
    """All four connections can be had at once, and none carries anything."""
    pool = database._pool
    connections = [await pool.getconn() for _ in range(CONNECTIONS)]
    for connection in connections:
        await assert_clean(connection)
    for connection in connections:
        await pool.putconn(connection)
    stats = pool.get_stats()
    assert (stats["pool_size"], stats["pool_available"], stats.get("requests_waiting", 0)) == (4, 4, 0)


async def _assert_idle(admin: psycopg.Connection[Any], others: list[int]) -> None:
    """The server knows of no more connections than the pool, and of no transaction."""

    def is_idle() -> bool:
        states = admin.execute(STATES, (others,)).fetchall()
        return len(states) <= CONNECTIONS and {*states} == {("idle",)}

    await eventually(is_idle)  # a process of the server takes its time to notice that its client has gone
