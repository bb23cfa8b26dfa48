"""Files as tasks to create: CSV (RFC 4180) and JSON (RFC 8259), row by row, each with the line that it begins on."""

import codecs
import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import ValidationError

from api_main.core.i18n import Message, _, plural
from api_main.core.validation_messages import message_of
from api_main.tasks.exchange import cells
from api_main.tasks.schemas import TaskWrite

MAX_ROWS = 100_000
FIELDS = tuple(TaskWrite.model_fields)
# What an export has besides. An import creates new tasks, so these are read over.
IGNORED = frozenset({"id", "owner_id", "version", "created_at", "updated_at"})
DELIMITERS = ",;\t"
BLANK = re.compile(r"[ \t\r\n]*")
# What Python's parsers say is wrong, so that the catalogues know it; the rest stays English.
REASONS = (
    *(_("unexpected end of data"), _("Expecting value"), _("Expecting ',' delimiter"), _("Expecting ':' delimiter")),
    *(_("Expecting property name enclosed in double quotes"), _("Unterminated string starting at")),
    *(_("Invalid control character at"), _("Invalid \\escape"), _("Invalid \\uXXXX escape")),
)
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class FileError(Exception):
    """The file cannot be read as a whole. `line` counts from 1."""

    def __init__(self, code: str, message: str, line: int = 1) -> None:
        self.code, self.message, self.line = code, message, line
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class RowError:
    """What is wrong with a row: the line that it begins on, the field where it is one's fault."""

    line: int
    field: str | None
    code: str
    message: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


Row = TaskWrite | list[RowError]


def read(file_format: str, content: bytes) -> Iterator[Row]:
    """Each row of a file: a task to create, or what is wrong with it.

    Raises:
        FileError
    """
    text = _decode(content)
    rows = _csv_rows(text) if file_format == "csv" else _json_rows(text)
    for number, (line, values, faults) in enumerate(rows):
        if number == MAX_ROWS:
            raise FileError("too_many_rows", _("The file has more than {most} rows.", most=MAX_ROWS), line)
        yield faults or _validated(line, values)


def _decode(content: bytes) -> str:
    encoding = "utf-16" if content.startswith(UTF_16) else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise FileError(
            "wrong_encoding", "The file is neither UTF-8 nor UTF-16 with a byte order mark.", line
        ) from None


RawRow = tuple[int, Mapping[str, Any], list[RowError]]


def _csv_rows(text: str) -> Iterator[RawRow]:
    header_line = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=header_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        columns = _columns(next(reader, []))
        line = reader.line_num + 1
        for record in reader:
            if record:
                yield _csv_row(line, columns, record)
            line = reader.line_num + 1
    except csv.Error as error:
        raise FileError("invalid_csv", _("This is no valid CSV: {reason}.", reason=Message(str(error))), line) from None


def _columns(header: list[str]) -> list[str]:
    columns = [name.strip().lower() for name in header]
    twice = [name for name, times in Counter(columns).items() if times > 1]
    unknown = [name for name in columns if name not in IGNORED and name not in FIELDS]
    if twice:
        raise FileError("duplicate_column", _("The header names a column twice: {columns}.", columns=_list(twice)))
    if unknown:
        raise FileError("unknown_column", _("The header names unknown columns: {columns}.", columns=_list(unknown)))
    if "title" not in columns:
        raise FileError("missing_column", "The header does not name the column title.")
    return columns


def _csv_row(line: int, columns: list[str], record: list[str]) -> RawRow:
    if len(record) > len(columns):
        message = plural(
            "The row has {n} cell, the header {columns}.",
            "The row has {n} cells, the header {columns}.",
            len(record),
            columns=len(columns),
        )
        return line, {}, [RowError(line, None, "too_many_cells", message)]
    cells_by_name = zip(columns, record, strict=False)
    given = {name: cells.unescape(cell) for name, cell in cells_by_name if cell and name not in IGNORED}
    return line, {"title": "", **given}, []


class _DuplicateName(ValueError):
    """An object names a member twice."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise _DuplicateName(_("An object names a member twice"))
    return values


def _no_number(name: str) -> float:
    raise ValueError(_("{name} is no number", name=name))


DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_number)


class _Scan:
    """A position in JSON text, and the line that it is on."""

    def __init__(self, text: str) -> None:
        self.line = 1
        self._text = text
        self._position = 0

    def peek(self) -> str:
        """The next character that is not blank; nothing at the end."""
        match = BLANK.match(self._text, self._position)
        assert match is not None  # it matches nothing as well
        self._move(match.end())
        return self._text[self._position : self._position + 1]

    def take(self) -> str:
        character = self.peek()
        self._move(self._position + len(character))
        return character

    def value(self) -> Any:
        """Raises: FileError"""
        try:
            value, end = DECODER.raw_decode(self._text, self._position)
        except json.JSONDecodeError as error:
            self._move(error.pos)
            raise self.refusal(Message(error.msg)) from None
        except RecursionError:
            raise self.refusal(_("It is nested too deeply")) from None
        except ValueError as error:
            raise self.refusal(error.args[0]) from None
        self._move(end)
        return value

    def refusal(self, reason: str) -> FileError:
        return FileError("invalid_json", _("This is no valid JSON: {reason}.", reason=reason), self.line)

    def _move(self, position: int) -> None:
        self.line += self._text.count("\n", self._position, position)
        self._position = position


def _json_rows(text: str) -> Iterator[RawRow]:
    """Element by element: only one at a time is in memory."""
    scan = _Scan(text)
    if scan.peek() != "[":
        raise FileError("invalid_json", "The file is not a JSON list.", scan.line)
    scan.take()
    separator = scan.take() if scan.peek() == "]" else ","
    while separator == ",":
        scan.peek()
        yield _json_row(scan.line, scan.value())
        if scan.peek() not in {",", "]"}:
            raise scan.refusal(_("The list does not go on as it should"))
        separator = scan.take()
    if scan.peek():
        raise scan.refusal(_("There is more after the list"))


def _json_row(line: int, value: Any) -> RawRow:
    if not isinstance(value, dict):
        return line, {}, [RowError(line, None, "not_an_object", "A task is an object.")]
    return line, {name: part for name, part in value.items() if name not in IGNORED}, []


def _validated(line: int, values: Mapping[str, Any]) -> Row:
    try:
        return TaskWrite.model_validate(values)
    except ValidationError as error:
        return [
            RowError(
                line,
                ".".join(str(part) for part in fault["loc"]) or None,
                fault["type"],
                message_of(fault),
            )
            for fault in error.errors(include_url=False, include_input=False)
        ]


def _list(names: list[str]) -> str:
    """Some of the names, shortened: they are whatever stood in the file."""
    return ", ".join(repr(name[:50]) for name in names[:5])
