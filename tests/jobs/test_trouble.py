"""Workers that are lost, and a database that goes away under them."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from api_main.core.settings import Settings, WorkerSettings
from api_main.jobs.runner import MOST_FAILURES
from tests.jobs.client import JobsClient
from tests.jobs.stage import Admin, until
from tests.jobs.working import queue_as, worker_process, worker_settings, working

ROWS = 12_000
TITLES = [f"row {number:05}" for number in range(ROWS)]
FILE = b"title\n" + "".join(f"{title}\n" for title in TITLES).encode()


def progress(admin: Admin, job_id: str) -> tuple[str, int]:
    row = admin.execute("select state::text, done from public.jobs where id = %s", (job_id,)).fetchone()
    assert row is not None
    return row[0], row[1]


def count(admin: Admin, owner: object) -> int:
    row = admin.execute("select count(*) from public.tasks where owner_id = %s", (owner,)).fetchone()
    assert row is not None
    return int(row[0])


async def test_a_worker_killed_in_the_middle_of_an_import_loses_nothing_and_repeats_nothing(
    adas: JobsClient, admin: Admin, quick: WorkerSettings, tmp_path: Path
) -> None:
    job = await adas.import_file(FILE)
    with worker_process(quick, tmp_path / "first.log") as first:
        await until(lambda: progress(admin, job["id"])[1] > 0)
        first.kill()
    assert progress(admin, job["id"])[0] == "running"
    assert count(admin, adas.person.id) == 0
    with worker_process(quick, tmp_path / "second.log") as second:
        done = await adas.wait(job["id"])
        assert second.stop() == 0
    assert (done["state"], done["attempts"]) == ("succeeded", 2), (done, second.text)
    assert done["result"]["summary"] == {"created": ROWS, "skipped": 0}
    rows = admin.execute("select title from public.tasks where owner_id = %s order by title", (adas.person.id,))
    assert [title for (title,) in rows] == TITLES


async def test_a_worker_that_is_told_to_stop_puts_its_job_back_and_says_so(
    adas: JobsClient, admin: Admin, settings: Settings, tmp_path: Path
) -> None:
    impatient = worker_settings(settings, jobs_grace_seconds=0.01)
    job = await adas.import_file(FILE)
    with worker_process(impatient, tmp_path / "worker.log") as worker:
        await until(lambda: progress(admin, job["id"])[1] > 0)
        assert worker.stop() == 0, worker.text
        assert "Traceback" not in worker.text
    assert progress(admin, job["id"])[0] == "queued"
    assert count(admin, adas.person.id) == 0
    assert admin.execute("select count(*) from procrastinate.procrastinate_workers").fetchone() == (0,)
    await adas.cancel(job["id"])


async def test_a_job_that_takes_its_worker_down_each_time_fails_in_the_end(
    adas: JobsClient, admin: Admin, quick: WorkerSettings
) -> None:
    job_id = queue_as(admin, adas.person, "test.poison")
    lost = "update procrastinate.procrastinate_jobs set status = 'doing', worker_id = null where args ->> 'job_id' = %s"
    admin.execute("update public.jobs set state = 'running', failures = %s where id = %s", (MOST_FAILURES - 1, job_id))
    admin.execute(lost, (job_id,))
    async with working(quick):
        job = await adas.wait(job_id)
    assert (job["state"], job["error"]["code"]) == ("failed", "worker_lost")
    assert job["expires_at"] > job["finished_at"]


async def test_a_worker_goes_on_when_every_connection_is_lost(
    adas: JobsClient, admin: Admin, quick: WorkerSettings
) -> None:
    end = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = any (%s)"
    async with working(quick):
        first = await adas.queue("tasks.report", format="json")
        await adas.wait(first["id"])
        admin.execute(end, (["api-main worker", "api-main listener"],))
        second = queue_as(admin, adas.person, "tasks.report", format="json", days=1)
        state = "select state::text from public.jobs where id = %s"
        await until(lambda: admin.execute(state, (second,)).fetchone() == ("succeeded",))


async def test_a_worker_waits_for_a_database_that_is_not_there_yet(settings: Settings, tmp_path: Path) -> None:
    nowhere = worker_settings(settings, database_url="postgresql://api_main:x@127.0.0.1:9/postgres")
    with worker_process(nowhere, tmp_path / "worker.log") as worker:
        await until(lambda: "worker_lost_the_database" in worker.text)
        assert worker.process.poll() is None
        assert worker.stop() == 0
        assert "Traceback" not in worker.text


def test_running_jobs_must_not_be_taken_for_stalled_while_their_worker_stops(settings: Settings) -> None:
    with pytest.raises(ValidationError, match="JOBS_GRACE_SECONDS must be less than two thirds"):
        worker_settings(settings, jobs_grace_seconds=4.0)
