"""`tasks.report`: counts, ages and burn-down, as numbers and as a picture."""

import xml.etree.ElementTree as ET
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest

from api_main.tasks.exchange.chart import draw
from api_main.tasks.exchange.statistics import Day, Statistics
from tests.jobs.client import JobsClient

SVG = "{http://www.w3.org/2000/svg}"

# status, priority, age in days, days since the last change, due in so many days
TASKS = [
    ("pending", "urgent", 0, 0, -1),
    ("pending", "low", 3, 3, 5),
    ("in_progress", "low", 20, 20, None),
    ("in_progress", "medium", 60, 1, -2),
    ("completed", "high", 10, 4, -5),
    ("completed", "high", 200, 100, None),
    ("cancelled", "medium", 5, 5, None),
]


@pytest.fixture
def tasks(adas: JobsClient, admin: psycopg.Connection[Any]) -> date:
    """Ada's tasks, older than anybody could make them through the API; the value is today as they were made."""
    day = timedelta(days=1)
    now = datetime.now(UTC)
    for status, priority, age, changed, due in TASKS:
        admin.execute(
            "insert into public.tasks (owner_id, title, status, priority, created_at, updated_at, due_at)"
            " values (%s, 'x', %s, %s, %s, %s, %s)",
            (adas.person.id, status, priority, now - age * day, now - changed * day, due and now + due * day),
        )
    return now.date()


@pytest.mark.usefixtures("worker")
async def test_the_numbers_are_those_of_the_callers_tasks(adas: JobsClient, tasks: date) -> None:
    job = await adas.wait((await adas.queue("tasks.report", format="json", days=15))["id"])
    assert job["result"]["summary"] == {"total": 7, "open": 4, "overdue": 2}
    report = (await adas.result(job["id"])).json()
    assert (report["total"], report["open"], report["overdue"]) == (7, 4, 2)
    assert report["by_status"] == {"pending": 2, "in_progress": 2, "completed": 2, "cancelled": 1}
    assert report["open_by_priority"] == {"low": 2, "medium": 1, "high": 0, "urgent": 1}
    assert list(report["open_by_age"].values()) == [1, 1, 1, 1, 0]
    # 2 from before; +1 and -1 for the completed one, +1 and -1 on one day for the cancelled one, +1, +1 today
    history = [2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 2, 3, 3, 3, 4]
    opened = {(tasks - timedelta(days=ago)).isoformat(): count for ago, count in enumerate(reversed(history))}
    days = report["burn_down"]
    assert len(days) == 15
    assert days[-1]["date"] == report["generated_at"][:10]
    assert [day["open"] for day in days] == [opened.get(day["date"], 4) for day in days]  # midnight may have passed


@pytest.mark.usefixtures("worker", "tasks")
async def test_the_chart_is_a_picture_that_can_do_nothing_else(adas: JobsClient) -> None:
    job = await adas.wait((await adas.queue("tasks.report", format="svg", days=7))["id"])
    answer = await adas.result(job["id"])
    assert answer.headers["content-type"] == "image/svg+xml"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    picture = ET.fromstring(answer.text)
    assert {element.tag.removeprefix(SVG) for element in picture.iter()} == {
        "svg", "title", "rect", "text", "line", "polyline", "circle",
    }  # fmt: skip
    title = picture.find(f"{SVG}title")
    assert title is not None
    assert title.text == "4 open of 7 tasks, 2 overdue"


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("file_format", ["json", "svg"])
async def test_without_any_task_there_is_a_report_all_the_same(adas: JobsClient, file_format: str) -> None:
    job = await adas.wait((await adas.queue("tasks.report", format=file_format, days=1))["id"])
    assert (job["state"], job["result"]["summary"]) == ("succeeded", {"total": 0, "open": 0, "overdue": 0})


def test_the_line_of_the_chart_follows_the_numbers() -> None:
    statistics = Statistics(
        generated_at=datetime(2026, 11, 3, tzinfo=UTC),
        total=9,
        open=0,
        overdue=0,
        by_status={},
        open_by_priority={},
        open_by_age={"under 1 day": 4, "1 to 6 days": 2},
        burn_down=[Day(date=date(2026, 11, number), open=many) for number, many in ((1, 4), (2, 2), (3, 0))],
    )
    picture = ET.fromstring(draw(statistics))
    line = picture.find(f"{SVG}polyline")
    assert line is not None
    heights = [float(point.split(",")[1]) for point in line.attrib["points"].split()]
    assert heights[1] - heights[0] == pytest.approx(heights[2] - heights[1])
    assert heights[0] < heights[2]
    widths = [float(bar.attrib["width"]) for bar in picture.findall(f"{SVG}rect")[1:]]
    assert widths[0] == pytest.approx(2 * widths[1])
