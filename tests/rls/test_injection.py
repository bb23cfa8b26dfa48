"""SQL that somebody slipped in: none of it gets beyond what its caller may see."""

from typing import Any, LiteralString

import psycopg
import pytest
from psycopg.errors import ReadOnlySqlTransaction
from sqlalchemy.exc import DBAPIError, ProgrammingError

from api_main.core.database import Database, RlsSession
from api_main.core.prelude import Identity, Query
from api_main.core.settings import Settings
from tests.rls.doors import ask, assert_nobody
from tests.rls.stage import Stage, identity_of

TASKS: LiteralString = "select owner_id from public.tasks"

# After these the caller is the bare login, or who they were, but nobody else.
ESCAPES = (
    "reset role",
    "set role none",
    "set local role none",
    "set session authorization default",
    "reset all",
    "discard all",
    "commit",
)
# These are refused outright.
ASCENTS = (
    "set role service_role",
    "set local role postgres",
    "select set_config('role', 'service_role', true)",
    "set session authorization postgres",
    "alter role api_main bypassrls",
    "alter table public.tasks disable row level security",
    'drop policy "An owner sees their tasks" on public.tasks',
    "grant service_role to api_main",
    "create function public.mine() returns int language sql as 'select 1'",
    "create table public.loot as select * from auth.users",
    "select * from auth.users",
    "select pg_read_file('PG_VERSION')",
    "copy public.tasks to program 'true'",
    "truncate public.tasks",
    "set session_replication_role = replica",
)
ROLES = {  # what a role claim may not hold, and how Postgres answers to it
    "none": "42501",
    "api_main": "42501",
    "postgres": "42501",
    "service_role": "42501",
    "pg_read_all_data": "42501",
    "": "22023",
    "nobody_at_all": "22023",
    'authenticated"': "22023",
    "authenticated; reset role": "22023",
    "authenticated', true), set_config('role', 'postgres": "22023",
}


@pytest.fixture
def ada(stage: Stage) -> Identity:
    return identity_of(stage.people["ada"])


@pytest.mark.parametrize("after", ["", "set role service_role", "set role postgres"])
@pytest.mark.parametrize("escape", ESCAPES)
async def test_who_drops_the_role_reaches_nothing(database: Database, ada: Identity, escape: str, after: str) -> None:
    async with database.session(ada) as session:
        for injected in filter(None, (escape, after)):
            try:
                await ask(session, injected)
            except DBAPIError:
                await (await session.connection()).exec_driver_sql("rollback")
        assert await _visible(session) == []
    await assert_nobody(database)


@pytest.mark.parametrize("dropped", [False, True])
@pytest.mark.parametrize("ascent", ASCENTS)
async def test_a_way_up_is_refused(database: Database, ada: Identity, ascent: str, dropped: bool) -> None:
    async with database.session(ada) as session:
        if dropped:
            await ask(session, "reset role")
        with pytest.raises(ProgrammingError, match=r"permission denied|must be|not permitted"):
            await ask(session, ascent)
        await session.rollback()
    await assert_nobody(database)


@pytest.mark.parametrize("escape", ["rollback", "commit"])
async def test_a_second_statement_behind_a_semicolon_is_not_run(database: Database, ada: Identity, escape: str) -> None:
    injected = f"select 1; {escape}; select owner_id from public.tasks"
    for first in (True, False):
        async with database.session(ada) as session:
            if not first:
                await ask(session, "select 1")
            with pytest.raises(ProgrammingError, match=r"multiple commands|permission denied"):
                await ask(session, injected)
            await session.rollback()
    with pytest.raises(psycopg.errors.SyntaxError, match="multiple commands"):
        await database.reader(ada).fetch(Query(injected))


async def test_a_right_cannot_be_passed_on(database: Database, admin: psycopg.Connection[Any], ada: Identity) -> None:
    async with database.session(ada) as session:
        await ask(session, "grant select, delete on public.tasks to anon")  # a warning, and nothing else
    assert admin.execute("select has_table_privilege('anon', 'public.tasks', 'select, delete')").fetchone() == (False,)


async def test_turning_row_security_off_shows_no_more(database: Database, ada: Identity) -> None:
    async with database.session(ada) as session:
        await ask(session, "set local row_security = off")
        with pytest.raises(ProgrammingError, match="would be affected by row-level security"):
            await ask(session, TASKS)
        await session.rollback()


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_that_the_login_may_not_become_is_an_error(database: Database, ada: Identity, role: str) -> None:
    identity = Identity(role, ada.claims)
    with pytest.raises(psycopg.Error) as read:
        await database.reader(identity).fetch(Query(TASKS))
    with pytest.raises(DBAPIError) as asked:
        async with database.session(identity) as session:
            await ask(session, TASKS)
    assert isinstance(asked.value.orig, psycopg.Error)
    assert read.value.sqlstate == asked.value.orig.sqlstate == ROLES[role]
    await assert_nobody(database)


async def test_the_login_may_become_these_roles_and_inherits_none(admin: psycopg.Connection[Any]) -> None:
    memberships = admin.execute("""
      select m.roleid::regrole::text, m.admin_option from pg_auth_members m where m.member = 'api_main'::regrole
    """).fetchall()
    roles = ["anon", "auth_admin", "authenticated", "embedder", "job_worker", "observer"]
    assert sorted(memberships) == [(role, False) for role in roles]
    above = admin.execute("""
      select r.rolname from pg_roles r join pg_auth_members m on m.roleid = r.oid
      where m.member in ('anon'::regrole, 'authenticated'::regrole, 'auth_admin'::regrole, 'embedder'::regrole,
        'job_worker'::regrole)
    """).fetchall()
    assert above == []


async def test_a_read_cannot_write(database: Database, ada: Identity) -> None:
    writes: tuple[LiteralString, ...] = (
        "insert into public.tasks (title) values ('by a reader') returning id",
        "delete from public.tasks returning id",
    )
    for write in writes:
        with pytest.raises(ReadOnlySqlTransaction):
            await database.reader(ada).fetch(Query(write))
    with pytest.raises(psycopg.errors.ActiveSqlTransaction):
        await database.reader(ada).fetch(Query(TASKS), Query("set transaction read write"), Query(writes[0]))
    await assert_nobody(database)


async def test_the_time_limit_of_a_role_holds_for_statements_through_both_doors(
    settings: Settings, admin: psycopg.Connection[Any]
) -> None:
    admin.execute("create role hasty; alter role hasty set statement_timeout = '50ms'; grant hasty to api_main")
    database = Database(settings.model_copy(update={"database_pool_min": 1, "database_pool_max": 1}))
    await database.open()  # each connection reads the limits once
    try:
        with pytest.raises(psycopg.errors.QueryCanceled):
            await database.reader(Identity("hasty")).fetch(Query("select pg_sleep(5)"))
        with pytest.raises(DBAPIError, match="statement timeout"):
            async with database.session(Identity("hasty")) as session:
                await ask(session, "select pg_sleep(5)")
        await assert_nobody(database)
        async with database.session(Identity("auth_admin")) as session:  # has no limit
            await ask(session, "select pg_sleep(0.1)")
    finally:
        await database.close()
        admin.execute("drop role hasty")


async def _visible(session: RlsSession) -> list[Any]:
    """The tasks that are shown: none where the question is refused."""
    try:
        return list(await ask(session, TASKS))
    except ProgrammingError as refused:
        await session.rollback()
        if "permission denied" not in str(refused):
            raise
        return []
