"""`ETag` and `If-Match`: nobody overwrites what they have not seen (RFC 9110, section 13.1.1)."""

import asyncio

import pytest

from tests.tasks.client import TasksClient, error_of

MATCHING = ['"1"', "*", " * ", '"9", "1"', '"1","9"', 'W/"9", "1"', '"a,b", "1"']
# A weak tag never matches here: If-Match compares strongly.
OTHERS = ['"2"', 'W/"1"', "1", '"01x"', '"', "garbage", '"-1"', '"1.0"', '"99999999999999999999"', '"2", "3"', "**"]


@pytest.mark.parametrize("if_match", MATCHING)
async def test_the_version_that_was_seen_may_be_changed(adas: TasksClient, if_match: str) -> None:
    for method, body in [("PUT", {"title": "New"}), ("PATCH", {"title": "New"}), ("PATCH", {}), ("DELETE", None)]:
        task = await adas.add("Old")
        answer = await adas.send(method, task["id"], json=body, headers={"If-Match": if_match})
        assert answer.status_code in {200, 204}


@pytest.mark.parametrize("if_match", OTHERS)
async def test_any_other_version_may_not(adas: TasksClient, if_match: str) -> None:
    task = await adas.add("Old")
    for method, body in [("PUT", {"title": "New"}), ("PATCH", {"title": "New"}), ("PATCH", {}), ("DELETE", None)]:
        answer = await adas.send(method, task["id"], json=body, headers={"If-Match": if_match})
        assert error_of(answer) == (412, "task_changed", None)
    assert (await adas.get(task["id"])).json()["data"] == task


async def test_the_etag_follows_the_version(adas: TasksClient) -> None:
    task = await adas.add()
    for version in (2, 3):
        changed = await adas.patch(task["id"], {"title": f"v{version}"}, if_match=f'"{version - 1}"')
        assert changed.headers["ETag"] == f'"{version}"'
        assert changed.json()["data"]["version"] == version
        assert (await adas.get(task["id"])).headers["ETag"] == f'"{version}"'


async def test_of_writers_who_have_seen_the_same_exactly_one_wins(adas: TasksClient) -> None:
    task = await adas.add()
    attempts = [adas.patch(task["id"], {"title": f"Writer {number}"}, if_match='"1"') for number in range(6)]
    answers = await asyncio.gather(*attempts)
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412, 412]
    winner = next(answer for answer in answers if answer.status_code == 200)
    assert (await adas.get(task["id"])).content == winner.content


async def test_a_change_and_a_deletion_cannot_both_win(adas: TasksClient) -> None:
    for _ in range(5):
        task = await adas.add()
        changed, deleted = await asyncio.gather(
            adas.patch(task["id"], {"title": "Changed"}, if_match='"1"'), adas.delete(task["id"], if_match='"1"')
        )
        assert (changed.status_code, deleted.status_code) in {(200, 412), (404, 204)}


async def test_without_if_match_the_last_writer_wins_and_no_version_is_skipped(adas: TasksClient) -> None:
    task = await adas.add()
    answers = await asyncio.gather(*[adas.patch(task["id"], {"title": f"Writer {number}"}) for number in range(6)])
    assert sorted(answer.json()["data"]["version"] for answer in answers) == [2, 3, 4, 5, 6, 7]
