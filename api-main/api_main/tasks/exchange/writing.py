"""Tasks as a file: CSV (RFC 4180), JSON (RFC 8259) or iCalendar (RFC 5545)."""

import csv
import io
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime
from typing import Any

from api_main.core.fields import format_timestamp
from api_main.tasks.exchange import cells
from api_main.tasks.models import TaskPriority, TaskStatus
from api_main.tasks.schemas import TaskRead

Tasks = AsyncIterator[TaskRead]

COLUMNS = ("id", "title", "description", "status", "priority", "due_at", "created_at", "updated_at")
PRODUCT = "-//Hybrid Auth API//Tasks//EN"
ICALENDAR_STATUS: Mapping[TaskStatus, str] = {
    TaskStatus.PENDING: "NEEDS-ACTION",
    TaskStatus.IN_PROGRESS: "IN-PROCESS",
    TaskStatus.COMPLETED: "COMPLETED",
    TaskStatus.CANCELLED: "CANCELLED",
}
ICALENDAR_PRIORITY: Mapping[TaskPriority, int] = {  # 1 is the highest, 9 the lowest (RFC 5545, section 3.8.1.9)
    TaskPriority.URGENT: 1,
    TaskPriority.HIGH: 3,
    TaskPriority.MEDIUM: 5,
    TaskPriority.LOW: 9,
}


async def write_csv(tasks: Tasks) -> AsyncIterator[bytes]:
    """A header and a record per task. Times are RFC 3339 in UTC; what is missing is empty."""
    yield csv_record(COLUMNS)
    async for task in tasks:
        yield csv_record([getattr(task, name) for name in COLUMNS])


async def write_json(tasks: Tasks) -> AsyncIterator[bytes]:
    """A list, a line per task."""
    separator = b"[\n"
    async for task in tasks:
        yield separator + task.model_dump_json(include=set(COLUMNS)).encode()
        separator = b",\n"
    yield b"[]\n" if separator == b"[\n" else b"\n]\n"


async def write_icalendar(tasks: Tasks) -> AsyncIterator[bytes]:
    """A calendar of to-dos."""
    yield f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:{PRODUCT}\r\n".encode()
    async for task in tasks:
        yield _todo(task)
    yield b"END:VCALENDAR\r\n"


def csv_record(values: Iterable[Any]) -> bytes:
    line = io.StringIO()
    csv.writer(line).writerow([_cell(value) for value in values])
    return line.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return format_timestamp(value) if isinstance(value, datetime) else cells.escape(str(value))


def _todo(task: TaskRead) -> bytes:
    from icalendar import Todo  # noqa: PLC0415 - a tenth of what the API takes to start, and seldom needed

    todo = Todo()
    todo.add("uid", f"{task.id}@hybrid-auth-api")
    todo.add("dtstamp", task.updated_at)
    todo.add("created", task.created_at)
    todo.add("last-modified", task.updated_at)
    todo.add("summary", task.title)
    if task.description is not None:
        todo.add("description", task.description)
    if task.due_at is not None:
        todo.add("due", task.due_at)
    todo.add("status", ICALENDAR_STATUS[task.status])
    todo.add("priority", ICALENDAR_PRIORITY[task.priority])
    if task.status is TaskStatus.COMPLETED:
        todo.add("completed", task.updated_at)
    ical: bytes = todo.to_ical()
    return ical
