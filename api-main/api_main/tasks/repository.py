"""Writes to `public.tasks`. The policies decide whose rows these statements can reach."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlmodel import col, delete, select, update

from api_main.core.database import RlsSession
from api_main.tasks.models import Task


async def add_all(session: RlsSession, tasks: Sequence[Task]) -> None:
    session.add_all(tasks)
    await session.flush()


async def get(session: RlsSession, task_id: UUID) -> Task | None:
    return await session.get(Task, task_id)


async def change(
    session: RlsSession, task_id: UUID, changes: Mapping[str, Any], versions: Collection[int] | None
) -> Task | None:
    """Change a task if it has one of these versions. None if there is no such task."""
    statement = update(Task).where(*_exactly(task_id, versions)).values(**changes).returning(Task)
    changed = await session.exec(statement, execution_options={"synchronize_session": False})
    task: Task | None = changed.scalars().one_or_none()
    return task


async def remove(session: RlsSession, task_id: UUID, versions: Collection[int] | None) -> bool:
    """Delete a task if it has one of these versions. Whether there was one."""
    result = await session.exec(delete(Task).where(*_exactly(task_id, versions)))
    return result.rowcount > 0


async def lock(session: RlsSession, task_ids: Iterable[UUID]) -> dict[UUID, Task]:
    """The tasks by id, held until the transaction ends; always in one order, so that two never wait for each other."""
    statement = select(Task).where(col(Task.id).in_(task_ids)).order_by(col(Task.id)).with_for_update()
    return {task.id: task for task in await session.exec(statement)}


async def remove_all(session: RlsSession, task_ids: Collection[UUID]) -> None:
    await session.exec(delete(Task).where(col(Task.id).in_(task_ids)))


async def reload(session: RlsSession, task_ids: Collection[UUID]) -> dict[UUID, Task]:
    """The tasks by id as the database has them after its triggers."""
    statement = select(Task).where(col(Task.id).in_(task_ids)).execution_options(populate_existing=True)
    return {task.id: task for task in await session.exec(statement)}


def _exactly(task_id: UUID, versions: Collection[int] | None) -> list[ColumnElement[bool]]:
    conditions = [col(Task.id) == task_id]
    if versions is not None:
        conditions.append(col(Task.version).in_(versions))
    return conditions
