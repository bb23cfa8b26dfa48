"""Attempts that are cut short: cancelled, superseded, stopped. Nothing of them stays."""

import asyncio

import pytest

from api_main.core.database import RlsSession
from api_main.core.settings import WorkerSettings
from api_main.jobs.work import Outcome, ResultFile, Work
from tests.jobs.client import JobsClient
from tests.jobs.stage import KIND, QUEUED_ROWS, Admin, kinds, write_task
from tests.jobs.working import queue_as, working
from tests.patience import PATIENCE, eventually


@pytest.mark.parametrize("listens", [True, False])
async def test_cancelling_a_running_job_stops_it_and_nothing_of_it_stays(
    adas: JobsClient, admin: Admin, quick: WorkerSettings, *, listens: bool
) -> None:
    begun, stopped = asyncio.Event(), asyncio.Event()

    async def long(session: RlsSession, _work: Work) -> Outcome:
        await write_task(session, "half done")
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        raise AssertionError

    job_id = queue_as(admin, adas.person, KIND)
    async with working(quick.model_copy(update={"database_transaction_pooler": not listens}), kinds(long)):
        async with asyncio.timeout(PATIENCE):
            await begun.wait()
            assert await adas.cancel(job_id) == 204
            await stopped.wait()
        await eventually(lambda: admin.execute(QUEUED_ROWS, (job_id,)).fetchone() == (0,))
    job = await adas.get(job_id)
    assert (job["state"], job["attempts"]) == ("cancelled", 1)
    assert await adas.titles() == []


async def test_a_job_cancelled_in_the_last_moment_leaves_nothing(
    adas: JobsClient, admin: Admin, quick: WorkerSettings
) -> None:
    """All is done but the commit, and no message has reached the worker."""

    async def late(session: RlsSession, _work: Work) -> Outcome:
        await write_task(session, "done")
        admin.execute("update public.jobs set state = 'cancelled' where id = %s", (job_id,))
        return Outcome({}, ResultFile("x.json", "application/json", b"{}"))

    job_id = queue_as(admin, adas.person, KIND)
    async with working(quick, kinds(late)):
        await eventually(lambda: admin.execute(QUEUED_ROWS, (job_id,)).fetchone() == (0,))
    assert (await adas.get(job_id))["state"] == "cancelled"
    assert await adas.titles() == []
    assert admin.execute("select count(*) from public.job_files where job_id = %s", (job_id,)).fetchone() == (0,)


async def test_a_worker_that_was_taken_for_lost_changes_nothing_when_it_comes_back(
    adas: JobsClient, admin: Admin, quick: WorkerSettings
) -> None:
    """The first attempt waits, as on a machine that stands still, until the second one has succeeded."""
    attempts, second_is_done = 0, asyncio.Event()

    async def paused(session: RlsSession, work: Work) -> Outcome:
        nonlocal attempts
        attempts += 1
        this_attempt = attempts
        if this_attempt == 1:
            admin.execute(
                "update procrastinate.procrastinate_jobs set worker_id = null where args ->> 'job_id' = %s", (job_id,)
            )
            await second_is_done.wait()
        await write_task(session, f"attempt {this_attempt}")
        return Outcome({"attempt": this_attempt})

    job_id = queue_as(admin, adas.person, KIND)
    async with working(quick, kinds(paused)):
        job = await adas.wait(job_id)
        second_is_done.set()
    assert (job["attempts"], job["result"]["summary"]) == (2, {"attempt": 2})
    assert await adas.get(job_id) == job
    assert await adas.titles() == ["attempt 2"]


async def test_a_job_that_is_queued_twice_is_done_once(adas: JobsClient, admin: Admin, quick: WorkerSettings) -> None:
    """As when a worker is lost between its commit and its word to the queue."""
    runs = 0

    async def once(session: RlsSession, _work: Work) -> Outcome:
        nonlocal runs
        runs += 1
        await write_task(session, "done")
        return Outcome({})

    job_id = queue_as(admin, adas.person, KIND)
    again = "insert into procrastinate.procrastinate_jobs (queue_name, task_name, args) values ('jobs', 'run_job', %s)"
    async with working(quick, kinds(once)):
        job = await adas.wait(job_id)
        admin.execute(again, (f'{{"job_id": "{job_id}"}}',))
        await eventually(lambda: admin.execute(QUEUED_ROWS, (job_id,)).fetchone() == (0,))
    assert (runs, await adas.get(job_id)) == (1, job)
    assert await adas.titles() == ["done"]


async def test_a_worker_that_stops_lets_jobs_finish_and_puts_the_others_back(
    adas: JobsClient, admin: Admin, quick: WorkerSettings
) -> None:
    stopped = asyncio.Event()

    async def work(session: RlsSession, work: Work) -> Outcome:
        await write_task(session, str(work.parameters["title"]))
        await (stopped if work.parameters["title"] == "short" else asyncio.Event()).wait()
        return Outcome({})

    short, long = (queue_as(admin, adas.person, KIND, title=title) for title in ("short", "long"))
    async with working(quick.model_copy(update={"jobs_grace_seconds": 2.0}), kinds(work)) as worker:
        for job_id in (short, long):
            await adas.wait(job_id, "running")
        worker.stop()
        stopped.set()
    assert (await adas.get(short))["state"] == "succeeded"
    assert ((await adas.get(long))["state"], (await adas.get(long))["attempts"]) == ("queued", 1)
    assert admin.execute("select failures from public.jobs where id = %s", (long,)).fetchone() == (0,)
    assert await adas.titles() == ["short"]
    await adas.cancel(long)
