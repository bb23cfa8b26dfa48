"""What goes over the wire about tasks."""

from collections import Counter
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, model_validator

from api_main.core.fields import Moment, Strict, Timestamp, WithoutNul
from api_main.core.i18n import _
from api_main.core.pagination import CursorText, Limit
from api_main.tasks.models import TaskPriority, TaskStatus

MAX_BULK = 1000

Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255), WithoutNul]
Description = Annotated[str, Field(max_length=10_000), WithoutNul]
Words = Annotated[
    str, Field(min_length=1, max_length=255, description="Each word must begin a word of the task"), WithoutNul
]

Sort = Literal["created", "-created", "updated", "-updated", "due", "-due", "priority", "-priority", "title", "-title"]

EXAMPLE: dict[str, JsonValue] = {
    "title": "Write the announcement",
    "description": "Half a page, no adjectives",
    "status": "pending",
    "priority": "high",
    "due_at": "2026-12-01T09:00:00+01:00",
}


class TaskWrite(Strict):
    """A whole task, as `POST` and `PUT` take it: what is left out gets its default."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    title: Title
    description: Description | None = None
    status: TaskStatus = TaskStatus.PENDING
    priority: TaskPriority = TaskPriority.MEDIUM
    due_at: Moment | None = None


class TaskChange(Strict):
    """Parts of a task, as `PATCH` takes them: what is left out stays as it is."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "completed"}]})

    title: Title = ""
    description: Description | None = None
    status: TaskStatus = TaskStatus.PENDING
    priority: TaskPriority = TaskPriority.MEDIUM
    due_at: Moment | None = None


class TaskRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    owner_id: UUID
    title: str
    description: str | None
    status: TaskStatus
    priority: TaskPriority
    due_at: Timestamp | None
    version: int
    created_at: Timestamp
    updated_at: Timestamp


class Highlights(BaseModel):
    """Escaped HTML, with the words that match in `<mark>`."""

    title: str
    description: str | None = Field(description="The parts that match")


class TaskFilter(Strict):
    """Which tasks. Values of one filter are alternatives; different filters must all hold."""

    status: list[TaskStatus] = Field(default=[], max_length=4)
    priority: list[TaskPriority] = Field(default=[], max_length=4)
    due_before: Moment | None = Field(default=None, description="Due earlier than this")
    due_after: Moment | None = Field(default=None, description="Due at this moment or later")


class TaskListQuery(TaskFilter):
    q: Words | None = None
    sort: Sort = Field(default="-created", description="`-` for descending. Without a due date counts as due last")
    limit: Limit = 50
    cursor: CursorText = None
    include_total: bool = Field(default=False, description="Count all that match, in `meta.total`")


class BulkUpdate(TaskChange):
    id: UUID
    version: int | None = Field(
        default=None, ge=1, strict=True, description="The version you have seen; 412 if it has changed"
    )

    def changes(self) -> dict[str, object]:
        return self.model_dump(exclude_unset=True, exclude={"id", "version"})


class Bulk(Strict):
    """Up to 1,000 writes in one transaction: all or nothing."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"create": [EXAMPLE], "update": [], "delete": []}]})

    create: list[TaskWrite] = Field(default=[], max_length=MAX_BULK)
    update: list[BulkUpdate] = Field(default=[], max_length=MAX_BULK)
    delete: list[UUID] = Field(default=[], max_length=MAX_BULK)

    @model_validator(mode="after")
    def _check_size_and_ids(self) -> Self:
        ids = [change.id for change in self.update] + self.delete
        if not 1 <= len(self.create) + len(ids) <= MAX_BULK:
            raise ValueError(_("between 1 and {most} writes are allowed", most=MAX_BULK))
        twice = [str(task_id) for task_id, count in Counter(ids).items() if count > 1]
        if twice:
            raise ValueError(_("each task may be named once: {tasks}", tasks=", ".join(twice[:5])))
        return self


class BulkResult(BaseModel):
    """What was written, in the order in which it was asked for."""

    created: list[TaskRead]
    updated: list[TaskRead]
    deleted: list[UUID]
