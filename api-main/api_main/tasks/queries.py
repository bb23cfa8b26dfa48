"""The hot reads: SQL in which Postgres builds the JSON. Who sees what is the policies' business, not theirs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from api_main.core.pagination import Cursor
from api_main.core.prelude import Query
from api_main.tasks.schemas import TaskFilter, TaskListQuery

COLUMNS: LiteralString = "id, owner_id, title, description, status, priority, due_at, version, created_at, updated_at"

Position = tuple[str, str]
"""When a task was created, as Postgres writes it, and its id."""

# What each order of the list compares, and its type: each has an index, led by the owner.
KEYS: dict[str, tuple[LiteralString, LiteralString]] = {
    "created": ("created_at", "timestamptz"),
    "updated": ("updated_at", "timestamptz"),
    "due": ("coalesce(due_at, 'infinity'::timestamptz)", "timestamptz"),
    "priority": ("priority", "public.task_priority"),
    "title": ("lower(title)", "text"),
}


@dataclass(slots=True)
class Conditions:
    """Conditions and their parameters, as they come."""

    parts: list[LiteralString]
    parameters: list[str]

    def add(self, condition: LiteralString, *values: str) -> None:
        """Add a condition; each `?` in it stands for the next value."""
        for value in values:
            self.parameters.append(value)
            condition = condition.replace("?", f"${len(self.parameters)}", 1)
        self.parts.append(condition)

    @property
    def where(self) -> LiteralString:
        return "where " + " and ".join(self.parts) if self.parts else ""


def one(task_id: UUID) -> Query:
    """One row: the task as JSON, its version."""
    return Query(
        f"select row_to_json(t), t.version from (select {COLUMNS} from public.tasks where id = $1) t", (str(task_id),)
    )


def page(wanted: TaskListQuery) -> Query:
    """One row per task, and one more if there is a next page: the task as JSON, its key in this order, its id."""
    name, descending = wanted.sort.removeprefix("-"), wanted.sort.startswith("-")
    key, key_type = KEYS[name]
    conditions = _matching(wanted, wanted.q)
    if wanted.cursor is not None:
        cursor = Cursor.parse(wanted.cursor, wanted.sort)
        comparison = "<" if descending else ">"
        conditions.add(f"({key}, id) {comparison} (?::{key_type}, ?::uuid)", cursor.key, str(cursor.id))
    direction = "desc" if descending else "asc"
    return Query(
        f"select row_to_json(t), {key}, id from (select {COLUMNS} from public.tasks {conditions.where}"
        f" order by {key} {direction}, id {direction} limit {wanted.limit + 1}) t",
        tuple(conditions.parameters),
    )


def chunk(wanted: TaskFilter, words: str | None, after: Position | None, most: int) -> Query:
    """One row per task, the oldest first: the task as JSON, when it was created, its id."""
    conditions = _matching(wanted, words)
    if after is not None:
        conditions.add("(created_at, id) > (?::timestamptz, ?::uuid)", *after)
    return Query(
        f"select row_to_json(t), created_at, id from (select {COLUMNS} from public.tasks {conditions.where}"
        f" order by created_at, id limit {most}) t",
        tuple(conditions.parameters),
    )


def total(wanted: TaskListQuery) -> Query:
    """One row: how many tasks match in all."""
    conditions = _matching(wanted, wanted.q)
    return Query(f"select count(*) from public.tasks {conditions.where}", tuple(conditions.parameters))


def _matching(wanted: TaskFilter, words: str | None) -> Conditions:
    conditions = Conditions([], [])
    add_filters(conditions, wanted)
    if words is not None:
        conditions.add("search @@ (select private.prefix_query(?))", words)
    return conditions


def add_filters(conditions: Conditions, wanted: TaskFilter) -> None:
    """Add what the list and the search are filtered by."""
    if wanted.status:
        conditions.add("status = any (?::public.task_status[])", _array(wanted.status))
    if wanted.priority:
        conditions.add("priority = any (?::public.task_priority[])", _array(wanted.priority))
    due, due_type = KEYS["due"]
    if wanted.due_before is not None:
        conditions.add(f"{due} < ?::{due_type}", wanted.due_before.isoformat())
    if wanted.due_after is not None:
        conditions.add(f"{due} >= ?::{due_type} and due_at is not null", wanted.due_after.isoformat())


def _array(values: Sequence[str]) -> str:
    """A Postgres array literal of words that need no quoting."""
    return "{" + ",".join(values) + "}"
