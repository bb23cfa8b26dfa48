"""The few lines of SQL that tell Postgres who is asking, and the two ways in which they travel.

Role, claims and the role's own `statement_timeout` are set *transaction-locally*: when the transaction ends, the
connection is nobody's again. Both ways put the prelude and the caller's first statement into one network round
trip, with libpq's pipeline mode (https://www.postgresql.org/docs/current/libpq-pipeline-mode.html).
"""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, LiteralString, NamedTuple, Self

from psycopg import AsyncCursor, AsyncRawCursor, AsyncServerCursor, errors
from psycopg.abc import PQGen
from psycopg.generators import fetch_many, send
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn, PGresult

from api_main.core.logging import request_facts
from api_main.core.rows import Rows
from api_main.core.statements import READER, SESSION, Observed
from api_main.core.waiting import WaitingConnection
from service_wire import tracing

# Claims in the legacy settings would win in `auth.uid()`: blank them.
PRELUDE: LiteralString = """
select set_config('role', $1, true), set_config('request.jwt.claims', $2, true),
  set_config('statement_timeout', $3, true), set_config('transaction_read_only', $4, true),
  set_config('timezone', 'UTC', true), set_config('request.jwt.claim', '', true),
  set_config('request.jwt.claim.sub', '', true), set_config('request.jwt.claim.role', '', true),
  set_config('request.jwt.claim.email', '', true), set_config('request.id', $5, true)
"""

# Filters combine freely, so the number of statements has no natural end: the rest is planned each time.
MAX_PREPARED = 256


@dataclass(frozen=True, slots=True)
class Identity:
    """Who Postgres is to take a transaction for: a role, and the claims of `auth.jwt()` as JSON."""

    role: str
    claims: str = ""


def _request_id() -> str:
    """What the audit log is told of a change, besides who makes it."""
    request_id: str = request_facts.get().get("request_id", "")
    return request_id


class Query(NamedTuple):
    """SQL with `$1`, `$2`, … and its parameters in Postgres' text format."""

    sql: LiteralString
    parameters: tuple[str | None, ...] = ()


@dataclass(frozen=True, slots=True)
class LastStatement:
    """SQL with `$1`, `$2`, … that ends a transaction, whoever the transaction has become meanwhile."""

    identity: Identity
    sql: LiteralString
    parameters: tuple[Any, ...] = field(repr=False)


class RlsConnection(WaitingConnection):
    """A pooled connection that knows the identity of the transaction which is about to begin."""

    identity: Identity | None = None
    last_statement: LastStatement | None = None
    timeouts: Mapping[str, str] = {}
    slow_seconds: float | None = None
    pipelines = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.server_cursor_factory = RlsServerCursor
        self._prepared_reads: dict[str, bytes] = {}
        self._hears_notices = False

    def add_notice_handler(self, callback: Callable[[Any], None]) -> None:
        """Add a handler once: SQLAlchemy adds its own at every checkout from the pool."""
        if not self._hears_notices:
            self._hears_notices = True
            super().add_notice_handler(callback)

    def prelude(self, identity: Identity, *, read_only: bool = False) -> Query:
        timeout = self.timeouts.get(identity.role, "0")
        return Query(PRELUDE, (identity.role, identity.claims, timeout, "on" if read_only else "off", _request_id()))

    async def begin(self) -> None:
        """Begin the transaction of the identity that waits."""
        identity, self.identity = self.identity, None
        assert identity is not None
        with tracing.span("prelude", db_role=identity.role):
            await AsyncRawCursor(self).execute("begin")
            await self.change_identity(identity)

    async def change_identity(self, identity: Identity) -> None:
        """Tell Postgres who is asking from here on in this transaction, which may be yet to begin."""
        if self.identity is not None:
            self.identity = identity
            return
        prelude = self.prelude(identity)
        await AsyncRawCursor(self).execute(prelude.sql, prelude.parameters)

    async def commit(self) -> None:
        """As psycopg's, and in the same round trip the last statement, if there is one."""
        last, self.last_statement = self.last_statement, None
        if last is None:
            with Observed(SESSION, ("commit",), self.slow_seconds):
                await super().commit()
            return
        with Observed(SESSION, (last.sql, "commit"), self.slow_seconds), self.closed_if_interrupted():
            async with self.pipeline() if self.pipelines else nullcontext():
                await self.change_identity(last.identity)
                await AsyncRawCursor(self).execute(last.sql, last.parameters)
                await AsyncRawCursor(self).execute("commit")  # psycopg's own would be a round trip more

    async def close(self) -> None:
        """Go back to the pool, dead or alive: a dead connection that does not come back is never replaced.

        A session that ended before its first statement has left its identity behind: forget it.
        """
        self.identity = self.last_statement = None
        pool = getattr(self, "_pool", None)
        if pool is None:
            await super().close()
        else:
            await pool.putconn(self)
            self._pool = None

    async def read(self, identity: Identity, *queries: Query) -> list[Rows]:
        """Run statements in a read-only transaction of their own: one round trip, rows in text format.

        The transaction is the pipeline's implicit one, so an error leaves the connection clean as well.

        Raises:
            psycopg.Error: what the server said, or that it went away.
        """
        with Observed(READER, queries, self.slow_seconds), self.closed_if_interrupted():
            with tracing.span("prelude", db_role=identity.role):
                prelude = self.prelude(identity, read_only=True)
            if not self.pipelines:
                return await self._read_in_steps(prelude, *queries)
            try:
                return await self.wait(self._exchange(prelude, *queries))
            except errors.InvalidSqlStatementName:  # psycopg's rollback deallocates every statement, ours among them
                self._prepared_reads.clear()
                return await self.wait(self._exchange(prelude, *queries))

    def _exchange(self, *queries: Query) -> PQGen[list[Rows]]:
        pgconn = self.pgconn
        pgconn.enter_pipeline_mode()
        added = sum(self._send(pgconn, query) for query in queries)
        pgconn.pipeline_sync()
        yield from send(pgconn)
        results: list[PGresult] = []
        for _ in range(len(queries) + added):
            results += yield from fetch_many(pgconn)
        yield from fetch_many(pgconn)  # the answer to the sync
        pgconn.exit_pipeline_mode()
        failed = next((result for result in results if result.status == ExecStatus.FATAL_ERROR), None)
        if failed is None:
            _of_the_prelude, *rows = (Rows(result) for result in results if result.status == ExecStatus.TUPLES_OK)
            return rows
        error = errors.error_from_result(failed, encoding=self.info.encoding)
        if added and not isinstance(error, errors.InvalidSqlStatementName):
            self.finish()  # which of them the server has prepared is not worth knowing: begin anew
        raise error

    def _send(self, pgconn: PGconn, query: Query) -> bool:
        """Queue a statement, prepared if there is room. Returns whether it had to be prepared first."""
        parameters = [None if value is None else value.encode() for value in query.parameters]
        name = self._prepared_reads.get(query.sql)
        if name is not None:
            pgconn.send_query_prepared(name, parameters)
            return False
        if len(self._prepared_reads) >= MAX_PREPARED:
            pgconn.send_query_params(query.sql.encode(), parameters)
            return False
        name = self._prepared_reads[query.sql] = b"rls_%d" % len(self._prepared_reads)
        pgconn.send_prepare(name, query.sql.encode())
        pgconn.send_query_prepared(name, parameters)
        return True

    async def _read_in_steps(self, prelude: Query, *queries: Query) -> list[Rows]:
        cursor = AsyncRawCursor(self)
        await cursor.execute("begin")
        await cursor.execute(prelude.sql, prelude.parameters)
        rows = []
        for query in queries:
            await cursor.execute(query.sql, query.parameters)
            assert cursor.pgresult is not None
            rows.append(Rows(cursor.pgresult))
        await self.commit()
        return rows


class RlsCursor(AsyncCursor[Any]):
    """A cursor whose first statement in a transaction takes `BEGIN` and the prelude along."""

    async def execute(self, query: Any, params: Any = None, **options: Any) -> Self:
        connection = self._rls_connection
        with Observed(SESSION, (query,), connection.slow_seconds), connection.closed_if_interrupted():
            if connection.identity is None:
                return await super().execute(query, params, **options)
            async with connection.pipeline() if connection.pipelines else nullcontext():
                await connection.begin()
                await super().execute(query, params, **options)
        return self

    async def executemany(self, query: Any, params_seq: Any, **options: Any) -> None:
        connection = self._rls_connection
        with Observed(SESSION, (query,), connection.slow_seconds), connection.closed_if_interrupted():
            if connection.identity is not None:
                async with connection.pipeline() if connection.pipelines else nullcontext():
                    await connection.begin()
            await super().executemany(query, params_seq, **options)

    @property
    def _rls_connection(self) -> RlsConnection:
        assert isinstance(self.connection, RlsConnection)
        return self.connection


class RlsServerCursor(AsyncServerCursor[Any]):
    """A cursor that streams. It cannot be declared inside a pipeline, so the prelude goes ahead of it."""

    async def execute(self, query: Any, params: Any = None, **options: Any) -> Self:
        connection = self.connection
        assert isinstance(connection, RlsConnection)
        with Observed(SESSION, (query,), connection.slow_seconds), connection.closed_if_interrupted():
            if connection.identity is not None:
                await connection.begin()
            return await super().execute(query, params, **options)
