"""All of a caller's tasks, one after the other, and many new ones at a time."""

from collections.abc import AsyncIterator, Sequence
from uuid import uuid4

from sqlalchemy import func
from sqlmodel import col, insert, select

from api_main.core.database import RlsSession
from api_main.tasks.models import Task
from api_main.tasks.schemas import TaskRead, TaskWrite

AT_ONCE = 500


async def count(session: RlsSession) -> int:
    return (await session.exec(select(func.count()).select_from(Task))).one()


async def read_all(session: RlsSession) -> AsyncIterator[TaskRead]:
    """Every task that the caller sees, the oldest first: as of one moment, and never many in memory."""
    columns = [getattr(Task, name) for name in TaskRead.model_fields]
    statement = select(*columns).order_by(col(Task.created_at), col(Task.id))
    rows = await session.stream(statement, execution_options={"yield_per": AT_ONCE})
    async for row in rows:
        yield TaskRead.model_validate(row)


async def add_all(session: RlsSession, forms: Sequence[TaskWrite]) -> None:
    """Create tasks of the caller's with one statement."""
    values = [{"id": uuid4(), **form.model_dump()} for form in forms]
    await session.exec(insert(Task).values(values))
