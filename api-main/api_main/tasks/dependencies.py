"""Transactions in which tasks are written: after the commit nobody is shown what was made of the tasks before."""

from typing import Annotated

from fastapi import Depends

from api_main.auth.dependencies import CurrentCache, CurrentPrincipal, get_session
from api_main.core.database import RlsSession
from api_main.idempotency.route import get_creation
from api_main.tasks.tags import ALL_TASKS, tasks_of


async def get_task_session(
    principal: CurrentPrincipal,
    cache: CurrentCache,
    session: Annotated[RlsSession, Depends(get_session, scope="function")],
) -> RlsSession:
    cache.invalidate_after(session, ALL_TASKS, tasks_of(principal.subject))
    return session


async def get_task_creation(
    principal: CurrentPrincipal,
    cache: CurrentCache,
    session: Annotated[RlsSession, Depends(get_creation, scope="function")],
) -> RlsSession:
    cache.invalidate_after(session, ALL_TASKS, tasks_of(principal.subject))
    return session
