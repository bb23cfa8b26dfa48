"""What goes over the wire about numbers."""

from datetime import date
from typing import Literal

from pydantic import BaseModel, Field

from api_main.core.fields import Timestamp


class ByStatus(BaseModel):
    pending: int
    in_progress: int
    completed: int
    cancelled: int


class ByPriority(BaseModel):
    low: int
    medium: int
    high: int
    urgent: int


class NewUsers(BaseModel):
    day: date = Field(description="In UTC")
    users: int


class UserNumbers(BaseModel):
    total: int = Field(description="Those that were deleted softly included")
    active: int = Field(description="Not switched off")
    new_per_day: list[NewUsers] = Field(description="Of the last 30 days, today included")


class TaskNumbers(BaseModel):
    total: int
    by_status: ByStatus
    by_priority: ByPriority
    overdue: int = Field(description="Pending or in progress, and due before now")


class Numbers(BaseModel):
    scope: Literal["own", "all"] = Field(description="`all` for superusers, else the caller's own")
    users: UserNumbers | None = Field(description="For superusers; null for all others")
    tasks: TaskNumbers
    counted_at: Timestamp = Field(description="At most a minute ago")
