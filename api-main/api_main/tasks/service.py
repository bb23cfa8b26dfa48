"""What can be done with tasks."""

from collections.abc import Callable, Collection, Mapping
from typing import Any
from uuid import UUID

from api_main.core.database import RlsReader, RlsSession
from api_main.core.envelope import Meta, page_body, success_body
from api_main.core.pagination import fetch_page, next_cursor
from api_main.core.preconditions import etag
from api_main.core.rows import Rows
from api_main.tasks import queries, repository
from api_main.tasks.errors import TaskChanged, TaskNotFound
from api_main.tasks.models import Task
from api_main.tasks.schemas import Bulk, BulkResult, TaskListQuery, TaskRead, TaskWrite


async def read(reader: RlsReader, task_id: UUID) -> tuple[bytes, str]:
    """The answer's body and its ETag.

    Raises:
        TaskNotFound
    """
    (rows,) = await reader.fetch(queries.one(task_id))
    match rows:
        case [(bytes(task), bytes(version))]:
            return success_body(task), etag(int(version))
        case _:
            raise TaskNotFound


async def list_page(reader: RlsReader, wanted: TaskListQuery) -> bytes:
    """A page of the list, as the answer's body.

    Raises:
        InvalidCursor
    """
    if not wanted.include_total:
        (rows,) = await fetch_page(reader, queries.page(wanted))
        return _page(rows, wanted.limit, wanted.sort, None)
    rows, counted = await fetch_page(reader, queries.page(wanted), queries.total(wanted))
    return _page(rows, wanted.limit, wanted.sort, int(counted[0][0] or 0))


async def create(session: RlsSession, form: TaskWrite) -> Task:
    task = Task(**form.model_dump())
    await repository.add_all(session, [task])
    return task


async def change(
    session: RlsSession, task_id: UUID, changes: Mapping[str, Any], versions: Collection[int] | None
) -> Task:
    """Change a task, if it has one of these versions.

    Raises:
        TaskNotFound, TaskChanged
    """
    if changes:
        task = await repository.change(session, task_id, changes, versions)
    else:
        task = await repository.get(session, task_id)
        if task is not None and versions is not None and task.version not in versions:
            raise TaskChanged
    return task or await _explain_absence(session, task_id)


async def remove(session: RlsSession, task_id: UUID, versions: Collection[int] | None) -> None:
    """Delete a task, if it has one of these versions.

    Raises:
        TaskNotFound, TaskChanged
    """
    if not await repository.remove(session, task_id, versions):
        await _explain_absence(session, task_id)


async def write_bulk(session: RlsSession, bulk: Bulk) -> BulkResult:
    """All of these writes, or none.

    Raises:
        TaskNotFound, TaskChanged: `details` lists the tasks.
    """
    created = [Task(**form.model_dump()) for form in bulk.create]
    updated_ids = [change.id for change in bulk.update]
    existing = await repository.lock(session, [*updated_ids, *bulk.delete])
    _refuse(TaskNotFound, [*updated_ids, *bulk.delete], lambda task_id: task_id not in existing)
    expected = {change.id: change.version for change in bulk.update if change.version is not None}
    _refuse(TaskChanged, expected, lambda task_id: existing[task_id].version != expected[task_id])
    for update in bulk.update:
        existing[update.id].sqlmodel_update(update.changes())
    await repository.add_all(session, created)
    await repository.remove_all(session, bulk.delete)
    updated = await repository.reload(session, updated_ids)
    return BulkResult(
        created=[TaskRead.model_validate(task) for task in created],
        updated=[TaskRead.model_validate(updated[task_id]) for task_id in updated_ids],
        deleted=bulk.delete,
    )


def _page(rows: Rows, limit: int, order: str, total: int | None) -> bytes:
    cursor = next_cursor(rows, limit, order)
    return page_body(rows.column(0, limit), Meta(limit=limit, total=total, next_cursor=cursor))


def _refuse(
    error: type[TaskNotFound | TaskChanged], task_ids: Collection[UUID], is_at_fault: Callable[[UUID], bool]
) -> None:
    faults = [str(task_id) for task_id in task_ids if is_at_fault(task_id)]
    if faults:
        raise error(details={"ids": faults})


async def _explain_absence(session: RlsSession, task_id: UUID) -> Task:
    """Nothing had the id and one of the versions: say which of the two it was."""
    if await repository.get(session, task_id) is None:
        raise TaskNotFound
    raise TaskChanged
