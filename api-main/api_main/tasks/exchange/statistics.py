"""A caller's tasks in numbers. Postgres counts; nothing but the counts comes back."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pydantic import BaseModel
from sqlalchemy import TextClause, text

from api_main.core.database import RlsSession
from api_main.core.fields import Timestamp
from api_main.tasks.models import TaskPriority, TaskStatus

OPEN = "status in ('pending', 'in_progress')"
BY_STATUS = text("select status::text, count(*) from public.tasks group by 1")
BY_PRIORITY = text(f"select priority::text, count(*) from public.tasks where {OPEN} group by 1")  # noqa: S608
OVERDUE = text(f"select count(*) from public.tasks where {OPEN} and due_at < now()")  # noqa: S608
AGES = ("under 1 day", "1 to 6 days", "7 to 29 days", "30 to 89 days", "90 days and more")
BY_AGE = text(
    "select width_bucket(now() - created_at, array['0 d', '1 d', '7 d', '30 d', '90 d']::interval[]), count(*)"  # noqa: S608
    f" from public.tasks where {OPEN} group by 1"
)
# By how much the number of open tasks changed on each day; what was before the first day counts as of that day.
CHANGES = text("""
select greatest(day, :first)::date, sum(change)::integer from (
  select date_trunc('day', created_at) as day, 1 as change from public.tasks
  union all
  select date_trunc('day', updated_at), -1 from public.tasks where status in ('completed', 'cancelled')
) changes group by 1
""")


class Day(BaseModel):
    date: date
    open: int


class Statistics(BaseModel):
    """What a report says. A task that is completed or cancelled counts as closed when it last changed."""

    generated_at: Timestamp
    total: int
    open: int
    overdue: int
    by_status: dict[TaskStatus, int]
    open_by_priority: dict[TaskPriority, int]
    open_by_age: dict[str, int]
    burn_down: list[Day]


async def count(session: RlsSession, days: int) -> Statistics:
    """Count the caller's tasks, and how many were open at the end of each of the last days, today included."""
    now = datetime.now(UTC)
    first = datetime(now.year, now.month, now.day, tzinfo=UTC) - timedelta(days=days - 1)
    by_status = await _pairs(session, BY_STATUS)
    by_priority = await _pairs(session, BY_PRIORITY)
    by_age = await _pairs(session, BY_AGE)
    changes = await _pairs(session, CHANGES, first=first)
    return Statistics(
        generated_at=now,
        total=sum(by_status.values()),
        open=sum(by_priority.values()),
        overdue=(await (await session.connection()).execute(OVERDUE)).scalar_one(),
        by_status={status: by_status.get(status, 0) for status in TaskStatus},
        open_by_priority={priority: by_priority.get(priority, 0) for priority in TaskPriority},
        open_by_age={name: by_age.get(number, 0) for number, name in enumerate(AGES, start=1)},
        burn_down=_burn_down(changes, first.date(), days),
    )


async def _pairs(session: RlsSession, statement: TextClause, **values: Any) -> dict[Any, int]:
    return {name: number for name, number in await (await session.connection()).execute(statement, values)}  # noqa: C416


def _burn_down(changes: Mapping[date, int], first: date, days: int) -> list[Day]:
    burn_down, still_open = [], 0
    for number in range(days):
        day = first + timedelta(days=number)
        still_open += changes.get(day, 0)
        burn_down.append(Day(date=day, open=still_open))
    return burn_down
