"""The only way to the database: a transaction that knows who is asking.

One pool of connections, logged in as `api_main`, which may read nothing until it has become somebody. Two doors
lead to it: `RlsSession`, a SQLModel session for everything, and `RlsReader`, for hot reads.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, LiteralString

from psycopg import AsyncConnection, Notify, sql
from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import SessionTransaction
from sqlalchemy.pool import NullPool
from sqlmodel import Session
from sqlmodel.ext.asyncio.session import AsyncSession

from api_main.core.pool import RlsPool
from api_main.core.prelude import Identity, LastStatement, Query, RlsConnection, RlsCursor
from api_main.core.rows import Rows
from api_main.core.settings import Settings

# `alter role … set statement_timeout`: `set role` does not apply it, so each connection reads it once.
ROLE_TIMEOUTS = """
select r.rolname, substring(c from '^statement_timeout=(.*)$')
from pg_db_role_setting s join pg_roles r on r.oid = s.setrole, unnest(s.setconfig) c
where c like 'statement_timeout=%'
  and s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
order by s.setdatabase
"""

# A listener is silent for hours: this is how it notices that nobody is there any more.
KEEPALIVE: dict[str, Any] = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}


class _IdentifiedSession(Session):
    """A session that tells the connection of each new transaction whose it is."""


@event.listens_for(_IdentifiedSession, "after_begin")
def _identify(session: Session, transaction: SessionTransaction, connection: Connection) -> None:
    if transaction.nested:  # a savepoint: its transaction has its identity
        return
    driver = connection.connection.driver_connection
    assert isinstance(driver, RlsConnection)
    driver.identity = session.info["identity"]


class RlsSession(AsyncSession):
    """A session under the caller's role and claims, transaction after transaction."""

    sync_session_class: type[Session] = _IdentifiedSession

    def after_commit(self, work: Callable[[], Awaitable[None]]) -> None:
        """Await `work` when the block of `Database.session` has been committed; never, if it fails."""
        self.info.setdefault("after_commit", []).append(work)


class RlsReader:
    """Statements in one round trip under the caller's role and claims, read-only, prepared."""

    __slots__ = ("_identity", "_pool")

    def __init__(self, pool: RlsPool, identity: Identity) -> None:
        self._pool = pool
        self._identity = identity

    async def fetch(self, *queries: Query) -> list[Rows]:
        """The rows of each query, each value as bytes of Postgres' text format. See `RlsConnection.read`.

        Raises:
            psycopg_pool.PoolTimeout: no connection came free in time.
        """
        connection = await self._pool.getconn()
        try:
            return await connection.read(self._identity, *queries)
        finally:
            await self._pool.putconn(connection)


class Database:
    """The pool, and the two doors to it.

    Attributes:
        session_info: what each session carries along, for those who listen to SQLAlchemy's events.
    """

    def __init__(self, settings: Settings, *, name: str = "api-main") -> None:
        """`name` is what Postgres shows of its connections."""
        self.session_info: dict[str, Any] = {}
        self._pooler = settings.database_transaction_pooler
        self._listen_url = settings.listen_url
        self._slow_seconds = settings.slow_query_ms / 1000 if settings.slow_query_ms else None
        self._pool = RlsPool(
            settings.database_url,
            connection_class=RlsConnection,
            min_size=min(settings.database_pool_min, settings.database_pool_max),
            max_size=settings.database_pool_max,
            timeout=settings.database_pool_timeout,
            max_waiting=settings.database_pool_waiting,
            configure=self._configure,
            kwargs={
                "autocommit": True,
                "application_name": name,
                "connect_timeout": 5,
                "cursor_factory": RlsCursor,
                # A pooler in transaction mode hands the next transaction another server connection.
                "prepare_threshold": None if self._pooler else 5,
            },
            reconnect_timeout=10,
            open=False,
        )
        self._engine: AsyncEngine = create_async_engine(
            "postgresql+psycopg://",
            async_creator=self._pool.getconn,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",  # the cursor sends BEGIN itself, with the prelude and the first statement
            use_native_hstore=False,
            hide_parameters=True,  # they would stand in the log of a failed statement
        )

    @property
    def most_connections(self) -> int:
        return self._pool.max_size

    @property
    def statistics(self) -> Mapping[str, int]:
        """What the pool counts (https://www.psycopg.org/psycopg3/docs/advanced/pool.html#pool-stats)."""
        return self._pool.get_stats()

    async def open(self) -> None:
        """Begin to connect, without waiting: a database that is away must not keep the API from starting."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        await self._engine.dispose()
        await self._pool.close(timeout=5)

    @asynccontextmanager
    async def session(self, identity: Identity) -> AsyncIterator[RlsSession]:
        """A session that commits when its block ends, and rolls back when it fails.

        Raises:
            sqlalchemy.exc.DBAPIError: a statement or the commit failed; nothing was written, unless the
                connection was lost during the commit itself.
        """
        info = {"identity": identity, **self.session_info}
        async with RlsSession(self._engine, expire_on_commit=False, info=info) as session:
            yield session
            await session.commit()
            for work in session.info.get("after_commit", ()):
                await work()

    def reader(self, identity: Identity, kind: type[RlsReader] = RlsReader) -> RlsReader:
        """A reader, which costs nothing until it fetches."""
        return kind(self._pool, identity)

    @asynccontextmanager
    async def connection(self, identity: Identity) -> AsyncIterator[RlsConnection]:
        """A bare connection in a transaction that commits when its block ends: for a library that brings its SQL.

        Raises:
            psycopg.Error: as for a session.
        """
        async with self._pool.connection() as connection:
            connection.identity = identity
            try:
                yield connection
            finally:
                connection.identity = None

    @property
    def hears_notifications(self) -> bool:
        """Whether there is an address at which notifications can be heard."""
        return self._listen_url is not None

    async def notifications(self, *channels: str) -> AsyncGenerator[Notify | None, None]:
        """What is sent to these channels, heard on a connection of its own. Without an address, nothing.

        The first value is None: from there on nothing is missed.

        Raises:
            psycopg.OperationalError: the connection could not be made, or was lost.
        """
        if self._listen_url is None:
            return
        connection = await AsyncConnection.connect(
            self._listen_url, autocommit=True, application_name="api-main listener", connect_timeout=5, **KEEPALIVE
        )
        async with connection:
            for channel in channels:
                await connection.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
            yield None
            notifications = connection.notifies()
            while True:  # until somebody stops, or the connection is lost
                yield await anext(notifications)

    async def ping(self) -> None:
        """Ask the database for nothing, as nobody."""
        async with self._pool.connection() as connection:
            await connection.execute("select 1")

    async def _configure(self, connection: RlsConnection) -> None:
        connection.pipelines = not self._pooler
        connection.slow_seconds = self._slow_seconds
        cursor = await connection.execute(ROLE_TIMEOUTS)
        connection.timeouts = dict(await cursor.fetchall())


async def become(session: RlsSession, identity: Identity) -> None:
    """Go on as somebody else in the same transaction: what both have done is kept together, or not at all."""
    connection = await (await session.connection()).get_raw_connection()
    driver = connection.driver_connection
    assert isinstance(driver, RlsConnection)
    await driver.change_identity(identity)


async def send_with_commit(session: RlsSession, sql: LiteralString, *parameters: Any) -> None:
    """Have a statement run as the session's caller at the end of the transaction, on the way with `COMMIT`."""
    connection = await (await session.connection()).get_raw_connection()
    driver = connection.driver_connection
    assert isinstance(driver, RlsConnection)
    driver.last_statement = LastStatement(session.info["identity"], sql, parameters)
