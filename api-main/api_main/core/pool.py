"""The pool of connections, and the queue in front of it."""

import asyncio
from time import monotonic
from typing import Any

from psycopg.pq import TransactionStatus
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests
from psycopg_pool.pool_async import ReturnConnection

from api_main.core.prelude import RlsConnection
from api_main.core.turns import Turns
from service_wire import tracing


class RlsPool(AsyncConnectionPool[RlsConnection]):
    """A pool that loses no cancellation, and no connection to one.

    Whoever finds every connection taken waits for a turn in front of psycopg's pool, not in its own queue, where
    each place costs a condition, a lock and a task: as much as the statement itself.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._turns = Turns(self.max_size)

    async def getconn(self, timeout: float | None = None) -> RlsConnection:  # noqa: ASYNC109
        """As psycopg's, which returns the connection to a caller who has been cancelled at the same moment.

        Raises:
            PoolTimeout: no connection came free in time.
            TooManyRequests: so many wait for one already that it would be in vain.
        """
        with tracing.span("connection"):
            if self._pool and not self.closed and self._turns.take():
                return self._take_idle()
            return await self._wait_for_one(self.timeout if timeout is None else timeout)

    async def putconn(self, conn: RlsConnection) -> None:
        """As psycopg's, from which a connection never comes back when its user is cancelled in the queue to it."""
        try:
            if not self._keep(conn):
                await super().putconn(conn)
        except asyncio.CancelledError:
            self.run_task(ReturnConnection(self, conn, from_getconn=False))
            raise
        finally:
            self._turns.pass_on()

    @property
    def queued(self) -> int:
        """How many wait for their turn."""
        return len(self._turns)

    def get_stats(self) -> dict[str, int]:
        """As psycopg's (https://www.psycopg.org/psycopg3/docs/advanced/pool.html#pool-stats), and with this queue."""
        statistics: dict[str, int] = super().get_stats()
        return statistics | {"requests_waiting": statistics["requests_waiting"] + self.queued}

    async def _wait_for_one(self, seconds: float) -> RlsConnection:
        deadline = monotonic() + seconds
        if not self._turns.take():
            await self._wait_for_turn(seconds)
        try:
            if self._pool and not self.closed:
                connection = self._take_idle()
            else:
                connection = await super().getconn(deadline - monotonic())
        except BaseException:
            self._turns.pass_on()
            raise
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            await self.putconn(connection)
            raise asyncio.CancelledError
        return connection

    async def _wait_for_turn(self, seconds: float) -> None:
        if self.queued >= self.max_waiting > 0:
            raise TooManyRequests("too many wait for a connection")
        self._stats[self._REQUESTS_QUEUED] += 1
        began = monotonic()
        try:
            await self._turns.wait(seconds)
        except TimeoutError:
            self._stats[self._REQUESTS_ERRORS] += 1
            raise PoolTimeout("every connection is taken") from None
        finally:
            self._stats[self._REQUESTS_WAIT_MS] += int((monotonic() - began) * 1000)

    def _take_idle(self) -> RlsConnection:
        """A connection that lies ready, as psycopg's `getconn` takes it, but without its lock and its log."""
        connection = self._pool.popleft()
        self._stats[self._REQUESTS_NUM] += 1
        self._nconns_min = min(self._nconns_min, len(self._pool))
        connection._pool = self  # noqa: SLF001 - so that its `close` gives it back
        return connection

    def _keep(self, conn: RlsConnection) -> bool:
        """Whether nothing has to be done for a connection that comes back but to lay it ready."""
        is_fresh = self._drained_at < conn._created_at and monotonic() < conn._expire_at  # noqa: SLF001 - the pool's own
        is_idle = conn.pgconn.transaction_status == TransactionStatus.IDLE
        if self.closed or self._waiting or not is_fresh or not is_idle:
            return False
        conn._pool = None  # noqa: SLF001
        self._pool.append(conn)
        return True
