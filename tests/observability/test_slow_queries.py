"""Slow statements are logged, whichever door they went through, and never with what was asked for."""

from collections.abc import AsyncIterator
from typing import Any, LiteralString

import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from api_main.core.database import Database
from api_main.core.prelude import Identity, Query
from api_main.core.settings import Settings
from api_main.core.statements import LONGEST_TEXT, shown

ANYBODY = Identity("anon")
SECRET = "hunter2"
SLOW: LiteralString = "select pg_sleep(0.05), length($1)"

Events = list[dict[str, Any]]


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    database = Database(settings.model_copy(update={"slow_query_ms": 40, "database_pool_min": 1}))
    await database.open()
    yield database
    await database.close()


def slow(events: Any) -> Events:
    """Those that were meant to be slow: on a busy machine others may be as well."""
    logged = (event for event in events if event["event"] == "slow_query")
    return [event for event in logged if "pg_sleep" in str(event["statements"])]


async def test_a_slow_read_is_logged_without_its_parameters(database: Database) -> None:
    with structlog.testing.capture_logs() as events:
        await database.reader(ANYBODY).fetch(Query(SLOW, (SECRET,)), Query("select 1"))
        await database.reader(ANYBODY).fetch(Query("select 2"))
    (event,) = slow(events)
    assert (event["door"], event["statements"], event["log_level"]) == ("reader", [SLOW, "select 1"], "warning")
    assert event["ms"] >= 50
    assert SECRET not in str(event)


async def test_a_slow_statement_of_a_session_is_logged_without_its_parameters(database: Database) -> None:
    statement = text("select pg_sleep(0.05), length(:word), 'quoted' as quoted")
    with structlog.testing.capture_logs() as events:
        async with database.session(ANYBODY) as session:
            connection = await session.connection()
            await connection.execute(statement, {"word": SECRET})
            await connection.execute(text("select 2"))
    assert [event["door"] for event in slow(events)] == ["session"]
    assert "select pg_sleep(0.05), length(%(word)s" in str(events)
    assert SECRET not in str(events)
    assert "quoted' as" not in str(events)


async def test_a_slow_statement_that_failed_says_so(database: Database) -> None:
    failing = text("select cast(:word || pg_sleep(0.05) as integer)")
    with structlog.testing.capture_logs() as events, pytest.raises(DBAPIError):
        async with database.session(ANYBODY) as session:
            await (await session.connection()).execute(failing, {"word": SECRET})
    (event,) = slow(events)
    assert event["error"] == "InvalidTextRepresentation"
    assert SECRET not in str(events)


async def test_it_can_be_turned_off(settings: Settings) -> None:
    database = Database(settings.model_copy(update={"slow_query_ms": 0, "database_pool_min": 1}))
    await database.open()
    with structlog.testing.capture_logs() as events:
        await database.reader(ANYBODY).fetch(Query(SLOW, (SECRET,)))
    await database.close()
    assert slow(events) == []


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("select  1\n  from t", "select 1 from t"),
        ("select 'it''s', $1", "select '?', $1"),
        (b"select 'a'", "select '?'"),
        (object(), "object"),
        ("select " + "x" * 3000, "select " + "x" * (LONGEST_TEXT - 7)),
    ],
    ids=["space", "quotes", "bytes", "composed", "long"],
)
def test_a_text_is_shown_on_one_line_without_anything_quoted(statement: Any, expected: str) -> None:
    assert shown(statement) == expected
