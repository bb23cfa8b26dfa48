"""Ask for a job, see it, cancel it: what the API answers."""

import pytest

from tests.jobs.client import JobsClient


@pytest.mark.usefixtures("worker")
async def test_a_job_is_accepted_runs_and_gives_its_file(adas: JobsClient) -> None:
    await adas.http.post("/api/v1/tasks", json={"title": "Tell nobody"}, headers=adas.person.headers)
    queued = await adas.queue("tasks.export", format="json")
    job = await adas.wait(queued["id"])
    assert (job["state"], job["result"]["summary"]) == ("succeeded", {"rows": 1}), job
    answer = await adas.result(job["id"])
    assert [task["title"] for task in answer.json()] == ["Tell nobody"]
