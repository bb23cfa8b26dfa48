"""`tasks.import`: all rows or none, or all that are good; and what was wrong, with the line."""

import json
from typing import Any

import pytest

from tests.jobs.client import JobsClient, Json

pytestmark = pytest.mark.usefixtures("worker")

MIXED = b"title,status\nfirst,pending\nsecond,later\n,pending\nfourth,completed\n"
FAULTS = [(3, "status", "enum"), (4, "title", "string_too_short")]


def lines(errors: list[Json]) -> list[tuple[Any, ...]]:
    return [(error["line"], error["field"], error["code"]) for error in errors]


async def test_rows_become_tasks_of_the_caller(adas: JobsClient, bobs: JobsClient) -> None:
    job = await adas.wait((await adas.import_file(b"title,priority\nOne,high\nTwo,\n"))["id"])
    assert (job["state"], job["result"]["summary"]) == ("succeeded", {"created": 2, "skipped": 0})
    assert job["progress"] == {"done": 2, "total": 2}
    assert await adas.titles() == ["One", "Two"]
    assert await bobs.titles() == []


async def test_all_or_nothing_is_nothing_where_a_row_is_wrong(adas: JobsClient) -> None:
    job = await adas.wait((await adas.import_file(MIXED))["id"])
    assert (job["state"], job["attempts"], job["error"]["code"]) == ("failed", 1, "invalid_rows")
    assert job["error"]["details"]["count"] == 2
    assert lines(job["error"]["details"]["errors"]) == FAULTS
    assert await adas.titles() == []


async def test_rows_that_are_wrong_are_left_out_where_that_is_wanted(adas: JobsClient) -> None:
    job = await adas.wait((await adas.import_file(MIXED, on_error="skip"))["id"])
    assert (job["state"], job["result"]["summary"]) == ("succeeded", {"created": 2, "skipped": 2})
    assert await adas.titles() == ["first", "fourth"]
    report = (await adas.result(job["id"])).json()
    assert (report["created"], report["skipped"], lines(report["errors"])) == (2, 2, FAULTS)


async def test_a_failed_job_lists_no_more_errors_than_anybody_reads(adas: JobsClient) -> None:
    job = await adas.wait((await adas.import_file(b"title,status\n" + b"x,later\n" * 250))["id"])
    details = job["error"]["details"]
    assert (details["count"], len(details["errors"])) == (250, 100)


@pytest.mark.parametrize("on_error", ["abort", "skip"])
async def test_a_file_that_cannot_be_read_is_refused_whole(adas: JobsClient, on_error: str) -> None:
    content = b"title\nfine\n\xff\n"
    job = await adas.wait((await adas.import_file(content, on_error=on_error))["id"])
    assert (job["state"], job["error"]["code"]) == ("failed", "invalid_file")
    assert lines(job["error"]["details"]["errors"]) == [(3, None, "wrong_encoding")]
    assert await adas.titles() == []


async def test_json_comes_as_a_file_or_as_a_part_of_the_form(adas: JobsClient) -> None:
    one = json.dumps([{"title": "by file"}])
    sent = await adas.import_file(one.encode(), "application/json; charset=utf-8")
    form = await adas.queue("tasks.import", format="json", content=one.replace("file", "form"), priority="high")
    assert (sent["parameters"], sent["priority"]) == ({"format": "json", "on_error": "abort"}, "normal")
    assert (form["parameters"], form["priority"]) == ({"format": "json", "on_error": "abort"}, "high")
    for job in (sent, form):
        assert (await adas.wait(job["id"]))["state"] == "succeeded"
    assert await adas.titles() == ["by file", "by form"]


async def test_formulas_come_in_as_the_text_that_they_are(adas: JobsClient) -> None:
    job = await adas.wait((await adas.import_file(b"title\n'=1+1\n=2+2\n"))["id"])
    assert job["state"] == "succeeded"
    assert await adas.titles() == ["=1+1", "=2+2"]
