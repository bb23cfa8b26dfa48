"""The move itself: batch by batch, what is to be written is decided before anything is."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any
from uuid import UUID

from psycopg import Connection, IsolationLevel

from api_main.migrations.moving.conflicts import Conflict, find_conflicts
from api_main.migrations.moving.rows import Key, Row, Rows
from api_main.migrations.moving.tables import OF_AN_ACCOUNT, TABLES, TASKS, Table, shared_columns

BATCH = 500
# The same text for the same value on both sides, and names of types that hold in any schema.
ALIKE = """
select set_config('TimeZone', 'UTC', true), set_config('DateStyle', 'ISO', true), set_config('search_path', '', true)
"""


@dataclass
class Report:
    """What was copied, or would be: for each table how many rows of which kind."""

    counts: dict[str, Counter[str]] = field(default_factory=lambda: {str(table): Counter() for table in TABLES})
    left_out: list[str] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """What to do with some rows of one table: add them, change them, or leave them for one of two reasons."""

    new: list[Row] = field(default_factory=list)
    changed: list[Row] = field(default_factory=list)
    same: list[Row] = field(default_factory=list)
    newer: list[Row] = field(default_factory=list)


class Move:
    """Copies every account of the source. With `dry_run` the target is only read."""

    def __init__(self, source: Connection[Any], target: Connection[Any], *, dry_run: bool) -> None:
        self._source, self._target, self._dry_run = source, target, dry_run
        self._rows: dict[str, tuple[Rows, Rows]] = {}
        self.report = Report()

    def run(self) -> Report:
        """Copy, and say what was copied.

        Raises:
            CannotMove: the schemas do not fit. Nothing has been written.
        """
        self._source.isolation_level = IsolationLevel.REPEATABLE_READ  # one moment for the whole move
        self._source.read_only = True
        self._target.read_only = self._dry_run
        with _transaction(self._source):
            with _transaction(self._target):
                self._compare_columns()
            for accounts in self._batches():
                with _transaction(self._target):
                    self._move(accounts)
        return self.report

    def _compare_columns(self) -> None:
        for table in TABLES:
            columns = shared_columns(self._source, self._target, table)
            self._rows[str(table)] = Rows(self._source, table, columns), Rows(self._target, table, columns)
            self.report.left_out += [f"{table}.{name}" for name in columns.left_out]

    def _batches(self) -> Iterator[list[UUID]]:
        with self._source.cursor(name="accounts") as cursor:
            cursor.execute("select id from auth.users order by id")
            while batch := cursor.fetchmany(BATCH):
                yield [account for (account,) in batch]

    def _move(self, accounts: Sequence[UUID]) -> None:
        conflicts = find_conflicts(self._source, self._target, accounts)
        self.report.conflicts += conflicts
        free = sorted(set(accounts) - {conflict.account for conflict in conflicts})
        # All are planned first: writing an account makes the target's triggers touch its profile.
        plans = [(table, plan) for table in OF_AN_ACCOUNT for plan in self._plans(table, free)]
        for table, plan in plans:
            self._carry_out(table, plan)
        for plan in self._plans(TASKS, free):
            self._carry_out(TASKS, plan)

    def _plans(self, table: Table, accounts: Sequence[UUID]) -> Iterator[Plan]:
        source, target = self._rows[str(table)]
        for chunk in source.of(accounts):
            stored = target.at([row.key for row in chunk], locked=not self._dry_run)
            yield _plan(chunk, stored, target)

    def _carry_out(self, table: Table, plan: Plan) -> None:
        for kind in fields(plan):
            self.report.counts[str(table)][kind.name] += len(getattr(plan, kind.name))
        if not self._dry_run:
            _, target = self._rows[str(table)]
            target.insert(plan.new)
            target.update(plan.changed)


def _plan(rows: Sequence[Row], stored: Mapping[Key, Row], target: Rows) -> Plan:
    plan = Plan()
    for row in rows:
        there = stored.get(row.key)
        if there is None:
            plan.new.append(row)
        elif target.are_same(row, there):
            plan.same.append(row)
        elif there.owner != row.owner or there.updated_at > row.updated_at:
            plan.newer.append(row)
        else:
            plan.changed.append(row)
    return plan


@contextmanager
def _transaction(connection: Connection[Any]) -> Iterator[None]:
    with connection.transaction():
        connection.execute(ALIKE)
        yield
