"""What a job says: its error, its report and its chart."""

import xml.etree.ElementTree as ET
from datetime import UTC, date, datetime
from typing import Any

import httpx
import psycopg
import pytest

from api_main.core.i18n import LANGUAGES, speaking
from api_main.jobs.schemas import JobFailure
from api_main.tasks.exchange.chart import draw
from api_main.tasks.exchange.statistics import AGES, Day, Statistics
from tests.jobs.client import JobsClient
from tests.jobs.conftest import adas, quick, worker

__all__ = ["adas", "quick", "worker"]

SVG = "{http://www.w3.org/2000/svg}"
GERMAN = {"Accept-Language": "de-AT"}
STATISTICS = Statistics(
    generated_at=datetime(2026, 11, 3, tzinfo=UTC),
    total=1234,
    open=1000,
    overdue=2,
    by_status={},
    open_by_priority={},
    open_by_age=dict.fromkeys(AGES, 3),
    burn_down=[Day(date=date(2026, 11, number), open=number) for number in (1, 2, 3)],
)
IN_CHARTS = {
    "en": ["1,000 open of 1,234 tasks, 2 overdue", "Nov 1, 2026", "Open tasks by age", "under 1 day"],
    "de": ["1.000 von 1.234 Aufgaben offen, 2 überfällig", "01.11.2026", "Offene Aufgaben nach Alter", "unter 1 Tag"],
    "ja": ["タスク1,234件中、未完了1,000件、期限切れ2件", "2026/11/01", "未完了タスクの経過日数", "1日未満"],
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_chart_can_be_drawn_in_every_language(language: str) -> None:
    with speaking(language):
        picture = ET.fromstring(draw(STATISTICS))
    texts = [element.text for element in picture.findall(f"{SVG}text")]
    assert picture.attrib["{http://www.w3.org/XML/1998/namespace}lang"] == language
    assert [text for text in IN_CHARTS.get(language, []) if text not in texts] == []
    directions = {element.attrib.get("direction") for element in picture.findall(f"{SVG}text")}
    assert directions == ({"rtl"} if language == "ar" else {None})


async def failed_import(jobs: JobsClient, content: bytes, **headers: str) -> dict[str, Any]:
    answer = await jobs.send("POST", "/import", content=content, headers={"Content-Type": "text/csv", **headers})
    assert answer.status_code == 202, answer.text
    error: dict[str, Any] = (await jobs.wait(answer.json()["data"]["id"]))["error"]
    return error


@pytest.mark.usefixtures("worker")
async def test_a_job_speaks_the_language_in_which_it_was_asked_for(adas: JobsClient) -> None:
    error = await failed_import(adas, b"title,priority\n,soon\nx,high\n", **GERMAN)
    assert (error["code"], error["message"]) == ("invalid_rows", "1 Zeile ist fehlerhaft; es wurde nichts importiert.")
    assert [fault["message"] for fault in error["details"]["errors"]] == [
        "Der Text muss mindestens 1 Zeichen lang sein",
        "Die Eingabe muss 'low', 'medium', 'high' oder 'urgent' sein",
    ]
    unknown = await failed_import(adas, b"title,colour\nx,red\n", **GERMAN)
    assert unknown["message"] == "Zeile 1: Die Kopfzeile nennt unbekannte Spalten: 'colour'."
    assert unknown["details"]["errors"][0]["message"] == "Die Kopfzeile nennt unbekannte Spalten: 'colour'."


@pytest.mark.usefixtures("worker")
async def test_else_that_of_its_owner(adas: JobsClient, admin: psycopg.Connection[Any]) -> None:
    admin.execute("update public.profiles set locale = 'es' where id = %s", (adas.person.id,))
    report = await adas.wait((await adas.queue("tasks.report", format="svg", days=2))["id"])
    assert "Tareas abiertas por antigüedad" in (await adas.result(report["id"])).text


async def test_its_language_is_one_of_its_parameters(client: httpx.AsyncClient, adas: JobsClient) -> None:
    form = {"kind": "tasks.export", "format": "csv"}
    asked = (await adas.send("POST", json=form, headers=GERMAN)).json()["data"]
    assert asked["parameters"] == {"format": "csv", "language": "de"}
    assert (await adas.send("POST", json=form)).json()["data"]["parameters"] == {"format": "csv"}


def test_what_the_database_says_of_a_lost_worker_is_translated_when_it_is_read() -> None:
    lost = JobFailure(code="worker_lost", message="The worker was lost each time that it ran this job.")
    with speaking("de"):
        assert lost.model_dump()["message"].startswith("Jedes Mal")
    assert lost.model_dump()["message"] == lost.message
