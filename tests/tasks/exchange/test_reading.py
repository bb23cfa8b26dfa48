"""Files that people have: from spreadsheets, in several encodings, by hand, and by somebody who means ill."""

import codecs
import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_main.tasks.exchange import reading
from api_main.tasks.exchange.cells import escape, unescape
from api_main.tasks.exchange.reading import FileError, Row, RowError, read
from api_main.tasks.models import TaskPriority, TaskStatus
from api_main.tasks.schemas import TaskWrite

HEADER = "title,description,status,priority,due_at\n"


def rows(content: bytes | str, file_format: str = "csv") -> list[Row]:
    return list(read(file_format, content if isinstance(content, bytes) else content.encode()))


def titles(content: bytes | str, file_format: str = "csv") -> list[str]:
    return [row.title if isinstance(row, TaskWrite) else str(row) for row in rows(content, file_format)]


def faults(content: bytes | str, file_format: str = "csv") -> list[tuple[int, str | None, str]]:
    """Line, field and code of all that is wrong."""
    wrong = [row for row in rows(content, file_format) if isinstance(row, list)]
    return [(error.line, error.field, error.code) for errors in wrong for error in errors]


def refused(content: bytes | str, file_format: str = "csv") -> tuple[str, int]:
    with pytest.raises(FileError) as caught:
        rows(content, file_format)
    return caught.value.code, caught.value.line


def test_a_row_becomes_a_task_and_what_is_empty_gets_its_default() -> None:
    full = 'Ship it,"with, care",in_progress,urgent,2026-12-01T09:00:00+01:00\n'
    assert rows(f"{HEADER}{full}Bare,,,,\n") == [
        TaskWrite(
            title="Ship it",
            description="with, care",
            status=TaskStatus.IN_PROGRESS,
            priority=TaskPriority.URGENT,
            due_at=datetime(2026, 12, 1, 8, tzinfo=UTC),
        ),
        TaskWrite(title="Bare"),
    ]


@pytest.mark.parametrize(
    "content",
    [
        codecs.BOM_UTF8 + "title\nÄpfel\n".encode(),
        "title\nÄpfel\n".encode("utf-16"),
        codecs.BOM_UTF16_BE + "title\nÄpfel\n".encode("utf-16-be"),
        "title\r\nÄpfel\r\n".encode(),
        "\tTITLE \nÄpfel".strip().encode(),
        'description;title\n"a, b";Äpfel\n'.encode(),
        "description\ttitle\na, b\tÄpfel\n".encode(),
        "id,title,owner_id,version,created_at,updated_at\nx,Äpfel,x,x,x,x\n".encode(),
        "title,description\nÄpfel\n".encode(),
        "title\n\nÄpfel\n\n".encode(),
    ],
    ids=range(10),
)
def test_files_of_many_programs_are_understood(content: bytes) -> None:
    assert titles(content) == ["Äpfel"]


@pytest.mark.parametrize(
    ("content", "code", "line"),
    [
        (b"", "missing_column", 1),
        (b"\n", "missing_column", 1),
        (b"description\nx\n", "missing_column", 1),
        (b"title,title\nx,y\n", "duplicate_column", 1),
        (b"title, Title\nx,y\n", "duplicate_column", 1),
        (b"title,colour\nx,red\n", "unknown_column", 1),
        (b"title,\nx,\n", "unknown_column", 1),
        (b"title\nfine\n\xc4pfel\n", "wrong_encoding", 3),
        (codecs.BOM_UTF16_LE + b"t", "wrong_encoding", 1),
        (b'title\nfine\n"never closed\n', "invalid_csv", 3),
        (b'title\nfine\n"closed" too early\n', "invalid_csv", 3),
        (b"title\n" + b"x" * 200_000, "invalid_csv", 2),
    ],
)
def test_a_csv_that_cannot_be_read_is_refused_with_the_line(content: bytes, code: str, line: int) -> None:
    assert refused(content) == (code, line)


def test_errors_name_the_line_on_which_the_row_begins() -> None:
    content = f'{HEADER}fine,"two\nlines",,,\nbad status,,later,,\n,,,,\n"bad\ndate",,,,tomorrow\na,b,c,d,e,f\n'
    assert faults(content) == [
        (4, "status", "enum"),
        (5, "title", "string_too_short"),
        (6, "due_at", "datetime_from_date_parsing"),
        (8, None, "too_many_cells"),
    ]


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("x" * 256, "string_too_long"),
        ("   ", "string_too_short"),
        ("a\x00b", "value_error"),
    ],
    ids=["long", "blank", "NUL"],
)
def test_a_title_that_will_not_do_is_a_fault_of_its_row_alone(cell: str, code: str) -> None:
    content = f"title\nfine\n{cell}\nfine too\n"
    assert faults(content) == [(3, "title", code)]
    assert [row.title for row in rows(content) if isinstance(row, TaskWrite)] == ["fine", "fine too"]


def test_a_json_list_is_read_element_by_element() -> None:
    tasks = [{"title": "One", "due_at": "2026-12-01T00:00:00Z"}, {"title": "Two", "priority": "low"}]
    for text in (json.dumps(tasks), json.dumps(tasks, indent=4), f"\n {json.dumps(tasks)} \n"):
        assert titles(text, "json") == ["One", "Two"]
    assert rows("[]", "json") == rows(" [ \n ] ", "json") == []
    assert titles(json.dumps(tasks).encode("utf-16"), "json") == ["One", "Two"]


def test_what_an_export_has_besides_is_read_over() -> None:
    given_back = [{"title": "x", "id": 1, "owner_id": 2, "version": 3, "created_at": 4, "updated_at": 5}]
    assert titles(json.dumps(given_back), "json") == ["x"]


def test_errors_in_json_name_the_line_of_their_element() -> None:
    content = '[\n {"title": "fine"},\n 7,\n {"title": "x",\n  "status": "later"}, {"colour": "red"},\n [[]]\n]'
    assert faults(content, "json") == [
        (3, None, "not_an_object"),
        (4, "status", "enum"),
        (5, "title", "missing"),
        (5, "colour", "extra_forbidden"),
        (6, None, "not_an_object"),
    ]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("", 1),
        ("\n\n{}", 3),
        ('{"title": "x"}', 1),
        ("[", 1),
        ("[\n{},\n", 3),
        ("[\n{},\n]", 3),
        ("[\n{}\n{}]", 3),
        ("[]\nx", 2),
        ('[\n{"title":\n "x}]', 3),
        ('[\n{"title": "x", "title": "y"}]', 2),
        ("[\nNaN]", 2),
        ("[\n" + "9" * 5000 + "]", 2),
        ("[" * 100_000, 1),
    ],
    ids=range(13),
)
def test_a_json_that_cannot_be_read_is_refused_with_the_line(content: str, line: int) -> None:
    assert refused(content, "json") == ("invalid_json", line)


@pytest.mark.parametrize("file_format", ["csv", "json"])
def test_a_file_has_only_so_many_rows(monkeypatch: pytest.MonkeyPatch, file_format: str) -> None:
    monkeypatch.setattr(reading, "MAX_ROWS", 3)
    content = {"csv": "title\na\nb\nc\n", "json": '[{"title": "a"}, {"title": "b"},\n\n {"title": "c"}]'}[file_format]
    assert titles(content, file_format) == ["a", "b", "c"]
    more = {"csv": content + "d\n", "json": content[:-1] + ',\n{"title": "d"}]'}[file_format]
    assert refused(more, file_format) == ("too_many_rows", {"csv": 5, "json": 4}[file_format])


def test_half_a_surrogate_pair_is_a_fault_of_its_row() -> None:
    assert faults('[{"title": "\\ud800"}, {"title": "fine"}]', "json") == [(1, "title", "string_unicode")]


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("\n=1", "'\n=1"),
        ("\uff1d1", "'\uff1d1"),
        ("'=1", "''=1"),
        ("''-", "'''-"),
        ("'quoted'", "'quoted'"),
        ("1=1", "1=1"),
        ("", ""),
    ],
)
def test_a_cell_that_a_spreadsheet_would_compute_is_disarmed_and_comes_back_as_it_was(text: str, cell: str) -> None:
    assert (escape(text), unescape(cell)) == (cell, text)


@given(st.text(alphabet=st.sampled_from("'=+-@\t\r\nax\uff1d"), max_size=6))
def test_every_text_survives_disarming(text: str) -> None:
    assert unescape(escape(text)) == text
    assert escape(text)[:1] not in set("=+-@\t\r\n\uff1d")


@given(st.binary(max_size=200), st.sampled_from(["csv", "json"]))
def test_whatever_the_bytes_are_the_answer_is_rows_or_one_clear_refusal(content: bytes, file_format: str) -> None:
    prefix = b"title\n" if file_format == "csv" else b"["
    found: list[Any] = []
    with suppress(FileError):
        found += read(file_format, prefix + content)
    for row in found:
        assert isinstance(row, TaskWrite) or all(isinstance(error, RowError) for error in row)
