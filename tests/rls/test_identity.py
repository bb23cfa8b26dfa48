"""Who Postgres takes a transaction for: the caller, in every one of a session's transactions, and nobody after it."""

import pytest
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncSession

from api_main.core.database import Database, RlsSession
from api_main.core.prelude import Identity, Query
from api_main.tasks.models import Task
from api_main.tasks.schemas import TaskWrite
from tests.rls.doors import ask, assert_is, assert_nobody
from tests.rls.stage import Stage, identity_of

TASKS = "select owner_id from public.tasks"
WRITE = "insert into public.tasks (title) values (:title)"
LEGACY = ("request.jwt.claim.sub", "request.jwt.claim", "request.jwt.claims")


@pytest.fixture
def ada(stage: Stage) -> Identity:
    return identity_of(stage.people["ada"])


@pytest.fixture
def bob(stage: Stage) -> Identity:
    return identity_of(stage.people["bob"])


# A query outside the prelude


async def test_a_raw_connection_of_the_pool_may_read_nothing(database: Database) -> None:
    async with database._pool.connection() as connection:
        with pytest.raises(InsufficientPrivilege):
            await connection.execute(TASKS)


async def test_psycopgs_other_ways_to_ask_are_refused_as_well(database: Database, ada: Identity) -> None:
    """They begin no transaction of their own, so they run as the login, even where an identity is waiting."""
    async with database._pool.connection() as connection:
        connection.identity = ada
        cursor = connection.cursor()
        with pytest.raises(InsufficientPrivilege):
            async with cursor.copy("copy public.tasks to stdout") as copy:
                await copy.read()
        with pytest.raises(InsufficientPrivilege):
            await anext(cursor.stream(TASKS))


async def test_an_ordinary_session_of_the_engine_may_read_nothing(database: Database) -> None:
    async with AsyncSession(database._engine) as session:
        with pytest.raises(ProgrammingError, match="permission denied"):
            await session.execute(text(TASKS))


async def test_the_engine_itself_may_read_nothing(database: Database) -> None:
    async with database._engine.connect() as connection:
        with pytest.raises(ProgrammingError, match="permission denied"):
            await connection.execute(text(TASKS))


async def test_a_session_without_an_identity_does_not_even_begin(database: Database) -> None:
    async with RlsSession(database._engine) as session:
        with pytest.raises(KeyError, match="identity"):
            await ask(session, TASKS)
    await assert_nobody(database)


# A query in mid-request


async def test_the_identity_outlives_commit_and_rollback(database: Database, stage: Stage, ada: Identity) -> None:
    async with database.session(ada) as session:
        await assert_is(session, stage, "ada")
        await session.commit()
        await assert_is(session, stage, "ada")
        await session.rollback()
        await assert_is(session, stage, "ada")


async def test_the_identity_outlives_an_error(database: Database, stage: Stage, ada: Identity) -> None:
    async with database.session(ada) as session:
        with pytest.raises(DBAPIError):
            await ask(session, "select 1 / 0")
        await session.rollback()
        await assert_is(session, stage, "ada")


async def test_a_first_statement_that_fails_is_made_good_by_a_rollback(
    database: Database, stage: Stage, ada: Identity
) -> None:
    async with database.session(ada) as session:
        with pytest.raises(DBAPIError):
            await ask(session, "insert into public.profiles (id) values (auth.uid())")
        await session.rollback()
        await assert_is(session, stage, "ada")
    await assert_nobody(database)


async def test_a_savepoint_has_the_identity_whether_it_is_kept_or_not(
    database: Database, stage: Stage, ada: Identity
) -> None:
    async with database.session(ada) as session:
        async with session.begin_nested():  # before any other statement
            await assert_is(session, stage, "ada")
        await assert_is(session, stage, "ada")
        async with session.begin_nested() as savepoint:
            await assert_is(session, stage, "ada")
            await savepoint.rollback()
        await assert_is(session, stage, "ada")


async def test_a_savepoint_that_is_rolled_back_first_of_all_takes_no_identity_along(
    database: Database, stage: Stage, ada: Identity
) -> None:
    async with database.session(ada) as session:
        async with session.begin_nested() as savepoint:
            await assert_is(session, stage, "ada")
            await savepoint.rollback()
        await assert_is(session, stage, "ada")


async def test_many_rows_at_once_may_come_first(database: Database, stage: Stage, ada: Identity) -> None:
    async with database.session(ada) as session:
        await ask(session, WRITE, [{"title": f"of many {number}"} for number in range(3)])
        owners = await ask(session, "select owner_id from public.tasks where title like 'of many %'")
        assert owners.scalars().all() == [stage.people["ada"].id] * 3
        await session.rollback()


async def test_a_stream_may_come_first(database: Database, stage: Stage, ada: Identity) -> None:
    async with database.session(ada) as session:
        rows = await (await session.connection()).stream(text(TASKS))
        assert {owner async for (owner,) in rows} == {stage.people["ada"].id}
        await assert_is(session, stage, "ada")
    await assert_nobody(database)


async def test_a_flush_may_come_first(database: Database, stage: Stage, ada: Identity) -> None:
    async with database.session(ada) as session:
        task = Task(**TaskWrite(title="flushed").model_dump())
        session.add(task)
        await session.flush()
        assert task.owner_id == stage.people["ada"].id
        await session.rollback()


@pytest.mark.parametrize("end", ["commit", "rollback"])
async def test_a_transaction_that_sql_itself_ended_carries_nothing_on(
    database: Database, ada: Identity, end: str
) -> None:
    async with database.session(ada) as session:
        await ask(session, end)
        with pytest.raises(ProgrammingError, match="permission denied"):
            await ask(session, TASKS)
    await assert_nobody(database)


# What a connection remembers


async def test_one_connection_serves_one_caller_after_another(
    database: Database, stage: Stage, ada: Identity, bob: Identity
) -> None:
    for name, identity in [("ada", ada), ("bob", bob), ("ada", ada)]:
        async with database.session(identity) as session:
            await assert_is(session, stage, name)
        ((row,),) = await database.reader(identity).fetch(Query("select auth.uid()"))
        assert row == (str(stage.people[name].id).encode(),)
        await assert_nobody(database)


async def test_a_session_that_ended_before_its_first_statement_leaves_no_identity(
    database: Database, ada: Identity
) -> None:
    async with database.session(ada) as session:
        await session.connection()
    await assert_nobody(database)


async def test_a_session_that_failed_leaves_no_identity(database: Database, ada: Identity) -> None:
    with pytest.raises(DBAPIError):
        async with database.session(ada) as session:
            await ask(session, "select 1 / 0")
    await assert_nobody(database)


async def test_reads_go_on_after_a_rollback_that_deallocated_their_statements(
    database: Database, stage: Stage, ada: Identity
) -> None:
    """psycopg deallocates every statement of the connection once it has prepared one of its own."""
    reader, expected = database.reader(ada), str(stage.people["ada"].id).encode()
    (before,) = await reader.fetch(Query(TASKS))
    async with database.session(ada) as session:
        for _ in range(7):  # the sixth is prepared
            await ask(session, TASKS)
        await session.rollback()
    for query in (Query(TASKS), Query("select owner_id, 1 from public.tasks"), Query(TASKS)):
        (after,) = await reader.fetch(query)
        assert {row[0] for row in after} == {row[0] for row in before} == {expected}
    assert database._pool.get_stats()["connections_num"] == 1  # and it was the same connection


async def test_a_connection_that_was_lost_in_a_session_is_replaced(
    database: Database, stage: Stage, ada: Identity
) -> None:
    async def lose_it() -> None:
        async with database.session(ada) as session:
            driver = (await (await session.connection()).get_raw_connection()).driver_connection
            assert driver is not None
            driver.pgconn.finish()
            await assert_is(session, stage, "ada")

    for _ in range(3):
        with pytest.raises(OperationalError):
            await lose_it()
    await assert_nobody(database)


@pytest.mark.parametrize("setting", LEGACY)
async def test_claims_that_somebody_left_on_the_connection_never_win(
    database: Database, stage: Stage, ada: Identity, bob: Identity, setting: str
) -> None:
    left = str(stage.people["ada"].id) if setting.endswith("sub") else ada.claims
    async with database._pool.connection() as connection:
        await connection.execute("select set_config(%s, %s, false)", (setting, left))
    async with database.session(bob) as session:
        await assert_is(session, stage, "bob")
        assert set((await ask(session, TASKS)).scalars()) == {stage.people["bob"].id}
    (rows,) = await database.reader(bob).fetch(Query(TASKS))
    assert {owner for (owner,) in rows} == {str(stage.people["bob"].id).encode()}


async def test_a_role_that_somebody_left_on_the_connection_never_wins(
    database: Database, stage: Stage, bob: Identity
) -> None:
    async with database._pool.connection() as connection:
        await connection.execute("set session role auth_admin")
    async with database.session(bob) as session:
        await assert_is(session, stage, "bob")
        with pytest.raises(ProgrammingError, match="permission denied"):
            await ask(session, "select * from auth.users")
