"""Workers that are lost, and a database that goes away under them."""

import gc
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from api_main.core.settings import Settings, WorkerSettings
from api_main.jobs.runner import MOST_FAILURES, JobRunner
from tests.jobs.client import JobsClient
from tests.jobs.stage import QUEUED_ROWS, Admin
from tests.jobs.working import queue_as, worker_process, worker_settings, working
from tests.patience import eventually

ROWS = 2_000
TITLES = [f"row {number:05}" for number in range(ROWS)]
NAME = "api-main worker"
QUIET = {"jobs_poll_seconds": 3600.0, "jobs_stalled_seconds": 3600.0}
FINISH = "procrastinate.procrastinate_finish_job_v1"
FILE = b"title\n" + "".join(f"{title}\n" for title in TITLES).encode()


# An import stands still at the row in its middle while `admin` holds the lock.
STAND_STILL = f"""
create function public.stand_still() returns trigger language plpgsql as
$$ begin perform pg_advisory_xact_lock_shared(1); return new; end $$;
create trigger stand_still before insert on public.tasks
  for each row when (new.title = '{TITLES[ROWS // 2]}') execute function public.stand_still();
"""
TIME_GOES_BY = "update procrastinate.procrastinate_workers set last_heartbeat = now() - interval '1 min'"
GO_ON = "drop function if exists public.stand_still cascade"


@pytest.fixture
def stand_still(admin: Admin) -> Iterator[Callable[[], None]]:
    """Imports stand still in the middle, until this is called."""

    def end() -> None:
        admin.execute("select pg_advisory_unlock_all()")

    admin.execute("select pg_advisory_lock(1)")
    admin.execute(STAND_STILL.encode())
    yield end
    end()
    admin.execute(GO_ON)


@pytest.fixture
def after_the_commit(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Awaitable[None]]], None]:
    """Let something happen when a job has ended, and before the queue has heard of it."""
    run = JobRunner.run

    def arrange(happen: Callable[[], Awaitable[None]]) -> None:
        async def run_on(*arguments: Any, **options: Any) -> None:
            await run(*arguments, **options)
            await happen()

        monkeypatch.setattr(JobRunner, "run", run_on)

    return arrange


def workers(admin: Admin) -> list[int]:
    return [number for (number,) in admin.execute("select id from procrastinate.procrastinate_workers")]


def progress(admin: Admin, job_id: str) -> tuple[str, int]:
    row = admin.execute("select state::text, done from public.jobs where id = %s", (job_id,)).fetchone()
    assert row is not None
    return row[0], row[1]


def count(admin: Admin, owner: object) -> int:
    row = admin.execute("select count(*) from public.tasks where owner_id = %s", (owner,)).fetchone()
    assert row is not None
    return int(row[0])


async def test_a_worker_killed_in_the_middle_of_an_import_loses_nothing_and_repeats_nothing(
    adas: JobsClient, admin: Admin, quick: WorkerSettings, tmp_path: Path, stand_still: Callable[[], None]
) -> None:
    job = await adas.import_file(FILE)
    with worker_process(quick, tmp_path / "worker.log") as first:
        await eventually(lambda: progress(admin, job["id"])[1] > 0)
        first.kill()
    assert progress(admin, job["id"])[0] == "running"
    assert count(admin, adas.person.id) == 0
    stand_still()
    admin.execute(TIME_GOES_BY)
    async with working(quick):
        done = await adas.wait(job["id"])
    assert (done["state"], done["attempts"]) == ("succeeded", 2), done
    assert done["result"]["summary"] == {"created": ROWS, "skipped": 0}
    rows = admin.execute("select title from public.tasks where owner_id = %s order by title", (adas.person.id,))
    assert [title for (title,) in rows] == TITLES


@pytest.mark.usefixtures("stand_still")
async def test_a_worker_that_is_told_to_stop_puts_its_job_back_and_says_so(
    adas: JobsClient, admin: Admin, settings: Settings, tmp_path: Path
) -> None:
    impatient = worker_settings(settings, jobs_grace_seconds=0.01)
    job = await adas.import_file(FILE)
    with worker_process(impatient, tmp_path / "worker.log") as worker:
        await eventually(lambda: progress(admin, job["id"])[1] > 0)
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
        admin.execute(end, ([NAME, "api-main listener"],))
        second = queue_as(admin, adas.person, "tasks.report", format="json", days=1)
        state = "select state::text from public.jobs where id = %s"
        await eventually(lambda: admin.execute(state, (second,)).fetchone() == ("succeeded",))


async def test_the_end_of_a_job_is_recorded_though_all_idle_connections_died_meanwhile(
    adas: JobsClient,
    admin: Admin,
    settings: Settings,
    after_the_commit: Callable[[Callable[[], Awaitable[None]]], None],
) -> None:
    """One worker all the time: nothing went wrong that it could not mend at once."""
    seen = list[list[int]]()
    idle = "select count(*) >= 4 and bool_and(state = 'idle') from pg_stat_activity where application_name = %s"
    end = "select pg_terminate_backend(pid, 60000) from pg_stat_activity where application_name = %s"

    async def happen() -> None:
        await eventually(lambda: admin.execute(idle, (NAME,)).fetchone() == (True,))
        assert set(admin.execute(end, (NAME,))) == {(True,)}
        seen.append(workers(admin))

    after_the_commit(happen)
    job_id = queue_as(admin, adas.person, "tasks.report", format="json", days=1)
    async with working(worker_settings(settings, database_pool_min=4, **QUIET)):
        await eventually(lambda: admin.execute(QUEUED_ROWS, (job_id,)).fetchone() == (0,))
        seen.append(workers(admin))
    assert len(seen[0]) == 1
    assert seen == [seen[0]] * 2


async def test_a_worker_that_cannot_record_an_end_begins_anew_and_nothing_is_done_twice(
    adas: JobsClient,
    admin: Admin,
    quick: WorkerSettings,
    after_the_commit: Callable[[Callable[[], Awaitable[None]]], None],
    complaints: list[dict[str, Any]],
) -> None:
    before = list[int]()

    async def happen() -> None:
        before.extend(workers(admin))
        admin.execute(f"revoke execute on function {FINISH} from job_worker".encode())

    after_the_commit(happen)
    job_id = queue_as(admin, adas.person, "tasks.report", format="json", days=1)
    async with working(quick):
        try:
            await eventually(lambda: before != [] and workers(admin) not in ([], before))
        finally:
            admin.execute(f"grant execute on function {FINISH} to job_worker".encode())
        await eventually(lambda: admin.execute(QUEUED_ROWS, (job_id,)).fetchone() == (0,))
    job = await adas.get(job_id)
    assert (job["state"], job["attempts"], len(before)) == ("succeeded", 1, 1)
    gc.collect()  # an exception that nobody looks at is reported with the last of its task
    assert complaints == []


async def test_a_worker_waits_for_a_database_that_is_not_there_yet(settings: Settings, tmp_path: Path) -> None:
    address = "postgresql://api_main:x@127.0.0.1:9/postgres"
    nowhere = worker_settings(settings, database_url=address, database_pool_timeout=0.2)
    with worker_process(nowhere, tmp_path / "worker.log") as worker:
        await eventually(lambda: "worker_lost_the_database" in worker.text)
        assert worker.process.poll() is None
        assert worker.stop() == 0
        assert "Traceback" not in worker.text


def test_running_jobs_must_not_be_taken_for_stalled_while_their_worker_stops(settings: Settings) -> None:
    with pytest.raises(ValidationError, match="JOBS_GRACE_SECONDS must be less than two thirds"):
        worker_settings(settings, jobs_grace_seconds=4.0)
