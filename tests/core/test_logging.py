"""Logs: one line of JSON per event in production, readable lines on a terminal, and no secrets in either."""

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import structlog

from api_main.core.logging import configure_logging
from api_main.core.settings import Settings
from tests.core.conftest import HASTE
from tests.core.stage import SECRET
from tests.people import Person

Configure = Callable[..., None]


@pytest.fixture
def logs(settings: Settings) -> Iterator[Configure]:
    """Log differently for a while."""

    def configure(**changes: Any) -> None:
        configure_logging(settings.model_copy(update={"log_level": "INFO", **changes}))
        structlog.configure(cache_logger_on_first_use=False)  # as in production it would last into the next test

    yield configure
    configure_logging(settings)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


REQUESTS = [
    ("GET", "/health/live", 200),
    ("POST", "/api/v1/tasks", 401),
    ("GET", "/nope", 404),
    ("GET", "/stage/sleep?seconds=60", 504),
    ("GET", "/stage/crash", 500),
]


@pytest.mark.parametrize("case", REQUESTS, ids=lambda case: case[1])
async def test_each_request_is_one_line_of_json_in_production(
    http: httpx.AsyncClient,
    hasty: httpx.AsyncClient,
    logs: Configure,
    capsys: pytest.CaptureFixture[str],
    case: tuple[str, str, int],
) -> None:
    logs(environment="production")
    method, path, status = case
    client = hasty if status == 504 else http
    await client.request(method, path, headers={"X-Request-ID": "request-of-ada"})
    events = lines(capsys)
    assert {event["request_id"] for event in events} == {"request-of-ada"}
    (access,) = [event for event in events if event["event"] == "request"]
    assert (access["method"], access["path"], access["status"]) == (method, path.partition("?")[0], status)
    assert access["ms"] >= (HASTE * 1000 if status == 504 else 0)
    assert access.keys() >= {"timestamp", "level", "address"}


async def test_a_crash_is_logged_whole_with_its_request(
    http: httpx.AsyncClient, logs: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    logs(log_format="json")
    answer = await http.get("/stage/crash")
    (event,) = [event for event in lines(capsys) if event["event"] == "request_failed"]
    assert event["request_id"] == answer.headers["X-Request-ID"]
    assert (event["level"], event["code"]) == ("error", "internal_error")
    assert "RuntimeError" in event["exception"]
    assert SECRET in event["exception"]


async def test_what_a_caller_gets_wrong_is_no_error_of_ours(
    http: httpx.AsyncClient, logs: Configure, capsys: pytest.CaptureFixture[str], ada: Person
) -> None:
    logs(log_format="json")
    await http.post("/api/v1/tasks", json={}, headers=ada.headers)
    assert {event["level"] for event in lines(capsys)} == {"info"}


@pytest.mark.parametrize("log_format", ["json", "console"])
async def test_tokens_and_bodies_are_never_logged(
    http: httpx.AsyncClient, logs: Configure, capsys: pytest.CaptureFixture[str], ada: Person, log_format: str
) -> None:
    logs(log_format=log_format, log_level="DEBUG")
    for path in ("/stage/crash", "/api/v1/tasks?q=s3cret", "/stage/driver"):
        await http.get(path, headers=ada.headers)
    await http.post("/stage/sql", json={"sql": "select 's3cret' from nowhere"}, headers=ada.headers)
    written = capsys.readouterr().out
    assert "request_failed" in written
    assert ada.token not in written
    assert ada.token.split(".")[2] not in written


async def test_a_terminal_gets_lines_for_people(
    http: httpx.AsyncClient, logs: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    logs(environment="development")
    await http.get("/health/live", headers={"X-Request-ID": "request-of-ada"})
    (line,) = capsys.readouterr().out.splitlines()
    with pytest.raises(json.JSONDecodeError):
        json.loads(line)
    for part in ("request", "/health/live", "200", "request-of-ada"):
        assert part in line


@pytest.mark.parametrize("log_format", ["json", "console"])
async def test_nobody_can_write_lines_of_their_own_into_the_log(
    http: httpx.AsyncClient, logs: Configure, capsys: pytest.CaptureFixture[str], log_format: str
) -> None:
    logs(log_format=log_format)
    await http.get("/nope%0aforged%1b[2Jline%0d")
    (line,) = capsys.readouterr().out.splitlines()
    assert "\x1b[2J" not in line


def test_libraries_log_in_the_same_form(logs: Configure, capsys: pytest.CaptureFixture[str]) -> None:
    logs(environment="production")
    logging.getLogger("uvicorn.error").warning("from a %s", "library")
    logging.getLogger("alembic.runtime").info("from another")
    logging.getLogger("uvicorn.access").info("a second access line")
    assert [event["event"] for event in lines(capsys)] == ["from a library", "from another"]


def test_the_level_is_a_setting(logs: Configure, capsys: pytest.CaptureFixture[str]) -> None:
    logs(log_format="json", log_level="WARNING")
    structlog.get_logger().info("not this")
    structlog.get_logger().warning("but this")
    assert [event["event"] for event in lines(capsys)] == ["but this"]
