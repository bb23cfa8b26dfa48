"""Rows of `public.jobs` and `public.job_files`. Their policies, functions and triggers live in the SQL migrations."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Enum, LargeBinary, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

MOMENT = DateTime(timezone=True)


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self not in {JobState.QUEUED, JobState.RUNNING}


class JobPriority(StrEnum):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


def _enum(kind: type[StrEnum], name: str) -> Enum:
    return Enum(
        kind, name=name, create_type=False, values_callable=lambda members: [member.value for member in members]
    )


class Job(SQLModel, table=True):
    """A job. Nobody writes it through this model: people use the two functions, workers `jobs/runs.py`."""

    __tablename__ = "jobs"

    id: UUID = Field(primary_key=True)
    owner_id: UUID = Field(foreign_key="auth.users.id")
    kind: str = Field(sa_type=Text)
    parameters: dict[str, Any] = Field(sa_type=JSONB)
    priority: JobPriority = Field(sa_type=_enum(JobPriority, "job_priority"))
    state: JobState = Field(sa_type=_enum(JobState, "job_state"))
    attempts: int
    done: int
    total: int | None
    result: dict[str, Any] | None = Field(sa_type=JSONB)
    error: dict[str, Any] | None = Field(sa_type=JSONB)
    version: int
    created_at: datetime = Field(sa_type=MOMENT)
    started_at: datetime | None = Field(sa_type=MOMENT)
    finished_at: datetime | None = Field(sa_type=MOMENT)
    expires_at: datetime | None = Field(sa_type=MOMENT)
    claims: dict[str, Any] = Field(sa_type=JSONB)
    failures: int
    queue_id: int | None = Field(sa_type=BigInteger)
    traceparent: str | None = Field(sa_type=Text)


class JobFile(SQLModel, table=True):
    """A part of what a job reads (`input`) or made (`result`)."""

    __tablename__ = "job_files"

    job_id: UUID = Field(primary_key=True, foreign_key="jobs.id", ondelete="CASCADE")
    purpose: str = Field(primary_key=True, sa_type=Text)
    part: int = Field(primary_key=True)
    content: bytes = Field(sa_type=LargeBinary)
