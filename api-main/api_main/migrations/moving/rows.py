"""Read and write rows of any of the tables: as text, which every type can become and come from."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection, sql

from api_main.migrations.moving.tables import Columns, Table

CHUNK = 1000
Values = tuple[str | None, ...]
Key = tuple[str, ...]
EPOCH = sql.SQL("coalesce(updated_at, created_at, 'epoch')")


@dataclass(frozen=True)
class Row:
    key: Key
    owner: UUID
    updated_at: datetime
    values: Values


class Rows:
    """The rows of one table, in one of the databases."""

    def __init__(self, connection: Connection[Any], table: Table, columns: Columns) -> None:
        self._connection, self._table, self._types = connection, table, columns.types
        self._changeable = [name for name in self._types if name not in {"id", *table.key}]

    def of(self, accounts: Sequence[UUID]) -> Iterator[list[Row]]:
        """The rows that belong to accounts, a chunk at a time; what is null is filled in as the target needs it."""
        condition = sql.SQL("{} = any(%s)").format(sql.Identifier(self._table.owner))
        with self._connection.cursor(name="rows") as cursor:
            cursor.execute(self._select(condition, self._table.defaults), [list(accounts)])
            while chunk := cursor.fetchmany(CHUNK):
                yield [self._row(found) for found in chunk]

    def at(self, keys: Sequence[Key], *, locked: bool) -> dict[Key, Row]:
        """The rows with these keys. Locked, nobody changes them before we have."""
        names = [sql.Identifier(name) for name in self._table.key]
        arrays = [sql.SQL("%s::{}[]").format(self._type(name)) for name in self._table.key]
        condition = sql.SQL("({}) in (select * from unnest({}))").format(_list(names), _list(arrays))
        lock = sql.SQL(" for update") if locked else sql.SQL("")
        columns = [list(column) for column in zip(*keys, strict=True)]
        rows = map(self._row, self._connection.execute(self._select(condition, {}) + lock, columns))
        return {row.key: row for row in rows}

    def are_same(self, one: Row, other: Row) -> bool:
        """Whether there is nothing to change in one to make it the other."""
        pairs = zip(self._types, one.values, other.values, strict=True)
        return all(mine == yours for name, mine, yours in pairs if name in self._changeable)

    def insert(self, rows: Sequence[Row]) -> None:
        if self._table.made_by_trigger:
            self._delete(rows)  # the trigger's row knows neither the times nor the choices of the person
        names = _list(map(sql.Identifier, self._types))
        values = _list(sql.SQL("given.{}::{}").format(sql.Identifier(name), self._type(name)) for name in self._types)
        statement = sql.SQL("insert into {} ({}) select {} from {}")
        self._write(statement.format(self._table.identifier, names, values, self._given()), rows)

    def update(self, rows: Sequence[Row]) -> None:
        """Change rows that exist, by their key. An id stays."""
        changed = _list(
            sql.SQL("{} = given.{}::{}").format(sql.Identifier(name), sql.Identifier(name), self._type(name))
            for name in self._types
            if name in self._changeable
        )
        same = sql.SQL(" and ").join(
            sql.SQL("kept.{} = given.{}::{}").format(sql.Identifier(name), sql.Identifier(name), self._type(name))
            for name in self._table.key
        )
        statement = sql.SQL("update {} as kept set {} from {} where {}")
        self._write(statement.format(self._table.identifier, changed, self._given(), same), rows)

    def _delete(self, rows: Sequence[Row]) -> None:
        statement = sql.SQL("delete from {} where {} = any(%s)")
        owner = sql.Identifier(self._table.owner)
        self._connection.execute(statement.format(self._table.identifier, owner), [[row.owner for row in rows]])

    def _write(self, statement: sql.Composed, rows: Sequence[Row]) -> None:
        if rows:
            columns = zip(*(row.values for row in rows), strict=True)
            self._connection.execute(statement, [list(column) for column in columns])

    def _given(self) -> sql.Composed:
        arrays = _list(sql.SQL("%s::text[]") for _ in self._types)
        return sql.SQL("unnest({}) as given ({})").format(arrays, _list(map(sql.Identifier, self._types)))

    def _select(self, condition: sql.Composed, defaults: dict[str, str]) -> sql.Composed:
        values = _list(
            sql.SQL("coalesce({}::text, {})").format(sql.Identifier(name), sql.Literal(defaults.get(name)))
            for name in self._types
        )
        key = _list(sql.SQL("{}::text").format(sql.Identifier(name)) for name in self._table.key)
        return sql.SQL("select array[{}], {}, {}, array[{}] from {} where {}").format(
            key, sql.Identifier(self._table.owner), EPOCH, values, self._table.identifier, condition
        )

    def _type(self, column: str) -> sql.SQL:
        return sql.SQL(self._types[column])  # as the catalogue spells it

    @staticmethod
    def _row(found: tuple[list[str], UUID, datetime, list[str | None]]) -> Row:
        key, owner, updated_at, values = found
        return Row(tuple(key), owner, updated_at, tuple(values))


def _list(parts: Iterable[sql.Composable]) -> sql.Composed:
    return sql.Composed(list(parts)).join(", ")
