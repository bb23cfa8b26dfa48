"""A row of `public.tasks`. Its indexes, policies and the generated `search` live in the SQL migrations."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid4

from sqlalchemy import Column, DateTime, Enum, FetchedValue, Text
from sqlmodel import Field, SQLModel


class TaskStatus(StrEnum):
    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class TaskPriority(StrEnum):
    """In the order in which they sort."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    URGENT = "urgent"


def _enum(kind: type[StrEnum], name: str) -> Enum:
    return Enum(
        kind, name=name, create_type=False, values_callable=lambda members: [member.value for member in members]
    )


class Task(SQLModel, table=True):
    """A task. `owner_id`, `version` and the timestamps are set by the database alone."""

    __tablename__ = "tasks"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    owner_id: UUID = Field(foreign_key="auth.users.id", sa_column_kwargs={"server_default": FetchedValue()})
    title: str = Field(sa_type=Text)
    description: str | None = Field(default=None, sa_type=Text)
    status: TaskStatus = Field(sa_type=_enum(TaskStatus, "task_status"))
    priority: TaskPriority = Field(sa_type=_enum(TaskPriority, "task_priority"))
    due_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    version: int = Field(sa_column_kwargs={"server_default": FetchedValue(), "server_onupdate": FetchedValue()})
    created_at: datetime = Field(
        sa_column=Column(DateTime(timezone=True), nullable=False, server_default=FetchedValue())
    )
    updated_at: datetime = Field(
        sa_column=Column(
            DateTime(timezone=True), nullable=False, server_default=FetchedValue(), server_onupdate=FetchedValue()
        )
    )
