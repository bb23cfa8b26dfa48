"""How long a caller waits: until its deadline, and only while it is there."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from starlette.requests import Request

from api_gpu.errors import CallerGone, DeadlineExceeded, InvalidRequest
from service_wire.service_token import DEADLINE_HEADER

Result = TypeVar("Result")

LONGEST_MILLISECONDS = 24 * 3600 * 1000


@asynccontextmanager
async def deadline_of(request: Request) -> AsyncIterator[float | None]:
    """Stop what happens inside when the request's deadline passes. The value is the deadline in the loop's time.

    Raises:
        DeadlineExceeded: it passed.
        InvalidRequest: the header is no number of milliseconds.
    """
    milliseconds = _milliseconds(request.headers.get(DEADLINE_HEADER))
    deadline = None if milliseconds is None else asyncio.get_running_loop().time() + milliseconds / 1000
    try:
        async with asyncio.timeout_at(deadline) as clock:
            if milliseconds == 0:
                raise DeadlineExceeded("The deadline has passed.")
            yield deadline
    except TimeoutError:
        if not clock.expired():
            raise
        raise DeadlineExceeded("The deadline has passed.") from None


async def while_connected(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """Await work for a request whose body has been read; cancel it when the caller hangs up.

    Raises:
        CallerGone: it did.
    """
    task = asyncio.ensure_future(work)
    watch = asyncio.ensure_future(_hung_up(request))
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise CallerGone("The caller has gone.")
    finally:
        task.cancel()
        watch.cancel()
        await asyncio.gather(task, watch, return_exceptions=True)


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _milliseconds(header: str | None) -> int | None:
    if header is None:
        return None
    if not (header.isascii() and header.isdigit()):
        raise InvalidRequest(f"{DEADLINE_HEADER} must be a whole number of milliseconds.")
    return min(int(header[:12]), LONGEST_MILLISECONDS)
