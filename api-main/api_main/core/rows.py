"""What a hot read returns: values as bytes of Postgres' text format."""

from collections.abc import Sequence
from typing import overload

from psycopg.pq.abc import PGresult

Row = tuple[bytes | None, ...]


class Rows(Sequence[Row]):
    """What a query returned. Values are made when they are asked for: a page needs the keys of one row alone."""

    __slots__ = ("_columns", "_length", "_value")

    def __init__(self, result: PGresult) -> None:
        self._value = result.get_value
        self._length = result.ntuples
        self._columns = range(result.nfields)

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return [self[row] for row in range(self._length)[index]]
        row = range(self._length)[index]
        return tuple([self._value(row, column) for column in self._columns])

    def column(self, column: int, count: int) -> list[bytes]:
        """One value of each of the first rows, of a column that is never null."""
        return [self._value(row, column) or b"" for row in range(min(count, self._length))]
