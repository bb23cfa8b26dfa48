"""What happens once the answer is on its way, so that neither its content nor its time tells who has an account."""

from collections.abc import Awaitable, Callable
from typing import Annotated, ParamSpec

import structlog
from fastapi import BackgroundTasks, Depends, Request

log = structlog.get_logger()
P = ParamSpec("P")

AFTERWARDS = "afterwards"  # in the state of a request


class Afterwards:
    """Does work after the answer. A failure is logged: the caller's connection must not break off because of it."""

    def __init__(self, tasks: BackgroundTasks) -> None:
        self._tasks = tasks

    def do(self, work: Callable[P, Awaitable[None]], *args: P.args, **kwargs: P.kwargs) -> None:
        self._tasks.add_task(_attempt, lambda: work(*args, **kwargs))


async def _attempt(work: Callable[[], Awaitable[None]]) -> None:
    try:
        await work()
    except Exception:
        log.exception("work_after_the_answer_failed")


async def get_afterwards(request: Request, tasks: BackgroundTasks) -> Afterwards:
    request.scope["state"][AFTERWARDS] = tasks
    return Afterwards(tasks)


Later = Annotated[Afterwards, Depends(get_afterwards)]
