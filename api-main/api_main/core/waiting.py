"""How a connection waits for the server: its socket is watched once and for all, and who stops waiting stops the query.

psycopg begins to watch at each wait and ends it afterwards: seven system calls and two objects for every answer.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from psycopg import AsyncConnection, errors
from psycopg.abc import PQGen
from psycopg.pq import ConnStatus, TransactionStatus
from psycopg.waiting import READY_R, WAIT_R, wait_async

# How long to wait after each attempt to cancel a query.
CANCEL_SECONDS = (0.1, 0.2, 0.4, 0.8)
WAIT_INTERVAL = 0.1

RV = TypeVar("RV")


class WaitingConnection(AsyncConnection[Any]):
    """A connection that loses no cancellation."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._watched: tuple[asyncio.AbstractEventLoop, int] | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def wait(
        self,
        gen: PQGen[RV],
        interval: float = WAIT_INTERVAL,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> RV:
        """As psycopg's, but whoever stops waiting stops the query as well, even on a busy server.

        A cancellation that comes before the server has read the query is lost, so it is sent until it works.
        """
        socket = self.pgconn.socket  # or an error, before anything has begun
        try:
            wanted = next(gen)
            while wanted == WAIT_R and interval == WAIT_INTERVAL and timeout is None:
                await self._readable(socket)
                wanted = gen.send(READY_R)
            self._stop_watching()
            return await wait_async(_continued(gen, wanted), socket, interval, timeout)
        except StopIteration as end:
            result: RV = end.value
            return result
        except asyncio.CancelledError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                await self._stop(gen)
            raise
        finally:
            if self.pgconn.status == ConnStatus.BAD:  # libpq has closed the socket: its number is free for others
                self._stop_watching()

    async def close(self) -> None:
        """As psycopg's."""
        self._stop_watching()
        await super().close()

    @contextmanager
    def closed_if_interrupted(self) -> Iterator[None]:
        """Close the connection after anything but an answer of the server: its state is unknown."""
        try:
            yield
        except BaseException as error:
            if getattr(error, "sqlstate", None) is None:
                self.finish()
            raise

    def finish(self) -> None:
        """Hang up at once."""
        self._stop_watching()
        self.pgconn.finish()

    def _readable(self, socket: int) -> asyncio.Future[None]:
        """Done when there is something to read."""
        if self._watched is None:
            loop = asyncio.get_running_loop()
            loop.add_reader(socket, self._wake)
            self._watched = loop, socket
        self._waiter = self._watched[0].create_future()
        return self._waiter

    def _wake(self) -> None:
        if self._waiter is None or self._waiter.done():
            self._stop_watching()  # a notice, or the end: whoever uses the connection next will find it
        else:
            self._waiter.set_result(None)

    def _stop_watching(self) -> None:
        if self._watched is not None:
            loop, socket = self._watched
            loop.remove_reader(socket)
            self._watched = None

    async def _stop(self, gen: PQGen[Any]) -> None:
        self._stop_watching()
        for patience in CANCEL_SECONDS:
            with suppress(errors.Error):
                await self.cancel_safe(timeout=1.0)
            try:
                await wait_async(gen, self.pgconn.socket, WAIT_INTERVAL, patience)
            except errors._WaitTimeout:  # noqa: SLF001 - psycopg's own, and the only sign that nothing was stopped
                continue
            except errors.Error:  # the query was cancelled, or the server is gone
                return
            return


def _continued(gen: PQGen[RV], wanted: Any) -> PQGen[RV]:
    """A generator that has been asked once already, as if it had not."""
    try:
        while True:
            wanted = gen.send((yield wanted))
    except StopIteration as end:
        result: RV = end.value
        return result
