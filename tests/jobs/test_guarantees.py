"""What a worker promises: as its owner, once, again where that helps, and never less than it said."""

import asyncio

import pytest
from sqlalchemy import text

from api_main.core.database import RlsSession
from api_main.core.settings import WorkerSettings
from api_main.jobs.runner import MOST_FAILURES
from api_main.jobs.work import JobFailed, Outcome, ResultFile, Work
from tests.jobs.client import JobsClient
from tests.jobs.stage import KIND, QUEUED_ROWS, Admin, kinds, write_task
from tests.jobs.working import queue_as, working
from tests.patience import PATIENCE, eventually
from tests.people import Person

# Seconds from the last failure to the next attempt, while it is waited for.
WAITS = """
select extract(epoch from q.scheduled_at - e.at)::float8
from procrastinate.procrastinate_jobs q join lateral (
  select max(at) as at from procrastinate.procrastinate_events where job_id = q.id and type = 'deferred_for_retry'
) e on true
where q.args ->> 'job_id' = %s and q.status = 'todo' and q.scheduled_at > now()
"""
END_THE_WAIT = "update procrastinate.procrastinate_jobs set scheduled_at = now() where args ->> 'job_id' = %s"


async def test_a_job_runs_as_its_owner_with_the_claims_that_asked_for_it(
    adas: JobsClient, admin: Admin, quick: WorkerSettings
) -> None:
    async def look(session: RlsSession, _work: Work) -> Outcome:
        who = text("select current_user, session_user, auth.uid()::text, auth.jwt() ->> 'session_id'")
        role, login, subject, session_id = (await (await session.connection()).execute(who)).one()
        return Outcome({"role": role, "login": login, "subject": subject, "session": session_id})

    job_id = queue_as(admin, adas.person, KIND)
    async with working(quick, kinds(look)):
        job = await adas.wait(job_id)
    assert job["result"]["summary"] == {
        "role": "authenticated",
        "login": "api_main",
        "subject": str(adas.person.id),
        "session": str(adas.person.session),
    }


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(
    "change",
    [
        "update auth.users set banned_until = now() + interval '1 day' where id = %s",
        "update auth.users set deleted_at = now() where id = %s",
        "update public.profiles set is_active = false where id = %s",
    ],
)
async def test_the_job_of_somebody_who_may_not_act_fails_with_that_reason(
    admin: Admin, ada: Person, change: str
) -> None:
    admin.execute(change.encode(), (ada.id,))
    job_id = queue_as(admin, ada, "tasks.export", format="csv")
    state = "select state::text, error ->> 'code' from public.jobs where id = %s"
    await eventually(lambda: admin.execute(state, (job_id,)).fetchone() == ("failed", "owner_inactive"))


async def test_what_fails_is_tried_again_until_it_works_and_only_the_last_attempt_shows(
    adas: JobsClient, admin: Admin, quick: WorkerSettings
) -> None:
    attempts = 0

    async def flaky(session: RlsSession, _work: Work) -> Outcome:
        nonlocal attempts
        attempts += 1
        await write_task(session, f"attempt {attempts}")
        if attempts < 3:
            raise OSError("the network is down")
        return Outcome({})

    job_id = queue_as(admin, adas.person, KIND)
    async with working(quick, kinds(flaky)):
        job = await adas.wait(job_id)
    assert (job["state"], job["attempts"], job["error"]) == ("succeeded", 3, None)
    assert await adas.titles() == ["attempt 3"]


async def test_what_never_works_fails_with_a_reason(adas: JobsClient, admin: Admin, quick: WorkerSettings) -> None:
    async def broken(session: RlsSession, _work: Work) -> Outcome:
        await write_task(session, "half done")
        raise OSError("a secret of the machine")

    job_id = queue_as(admin, adas.person, KIND)
    async with working(quick, kinds(broken)):
        job = await adas.wait(job_id)
        await eventually(lambda: admin.execute(QUEUED_ROWS, (job_id,)).fetchone() == (0,))
    assert (job["state"], job["attempts"], job["result"]) == ("failed", MOST_FAILURES, None)
    assert job["error"]["code"] == "internal_error"
    assert "secret" not in str(job)
    assert job["expires_at"] > job["finished_at"]
    assert await adas.titles() == []


async def test_each_retry_waits_twice_as_long(adas: JobsClient, admin: Admin, quick: WorkerSettings) -> None:
    async def broken(_session: RlsSession, _work: Work) -> Outcome:
        raise OSError

    job_id = queue_as(admin, adas.person, KIND)
    pauses = list[float]()
    async with working(quick.model_copy(update={"jobs_retry_seconds": PATIENCE}), kinds(broken)):
        for _ in range(3):
            await eventually(lambda: admin.execute(WAITS, (job_id,)).fetchone() is not None)
            ((pause,),) = admin.execute(WAITS, (job_id,))
            pauses += [pause]
            admin.execute(END_THE_WAIT, (job_id,))
        assert await adas.cancel(job_id) == 204
    assert pauses == [pytest.approx(times * PATIENCE, abs=PATIENCE / 4) for times in (1, 2, 4)]


async def test_what_can_never_work_is_not_tried_again(adas: JobsClient, admin: Admin, quick: WorkerSettings) -> None:
    async def refuse(session: RlsSession, _work: Work) -> Outcome:
        await write_task(session, "half done")
        raise JobFailed("no_use", "There is no use.", {"why": "because"})

    job_id = queue_as(admin, adas.person, KIND)
    async with working(quick, kinds(refuse)):
        job = await adas.wait(job_id)
    assert (job["state"], job["attempts"]) == ("failed", 1)
    assert job["error"] == {"code": "no_use", "message": "There is no use.", "details": {"why": "because"}}
    assert await adas.titles() == []


async def test_a_job_that_takes_too_long_is_stopped(adas: JobsClient, admin: Admin, quick: WorkerSettings) -> None:
    async def endless(_session: RlsSession, _work: Work) -> Outcome:
        await asyncio.Event().wait()
        raise AssertionError

    job_id = queue_as(admin, adas.person, KIND)
    async with working(quick.model_copy(update={"jobs_timeout_seconds": 0.1}), kinds(endless)):
        job = await adas.wait(job_id)
    assert (job["state"], job["attempts"], job["error"]["code"]) == ("failed", MOST_FAILURES, "timeout")


async def test_the_more_important_job_comes_first(adas: JobsClient, quick: WorkerSettings) -> None:
    low, normal, high = [
        (await adas.queue("tasks.report", format="json", priority=priority))["id"]
        for priority in ("low", "normal", "high")
    ]
    async with working(quick.model_copy(update={"jobs_concurrency": 1})):
        jobs = {job_id: await adas.wait(job_id) for job_id in (low, normal, high)}
    assert jobs[high]["started_at"] < jobs[normal]["started_at"] < jobs[low]["started_at"]


async def test_a_kind_that_this_worker_does_not_know_yet_is_left_to_another(
    adas: JobsClient, admin: Admin, quick: WorkerSettings
) -> None:
    async def known(_session: RlsSession, _work: Work) -> Outcome:
        return Outcome({"known": True})

    job_id = queue_as(admin, adas.person, KIND)
    failures = "select failures > 0 and state = 'queued' from public.jobs where id = %s"
    async with working(quick.model_copy(update={"jobs_retry_seconds": 0.5})):
        await eventually(lambda: admin.execute(failures, (job_id,)).fetchone() == (True,))
    async with working(quick, kinds(known)):
        assert (await adas.wait(job_id))["result"]["summary"] == {"known": True}


async def test_what_has_expired_is_deleted_with_its_file(adas: JobsClient, admin: Admin, quick: WorkerSettings) -> None:
    async def make(_session: RlsSession, _work: Work) -> Outcome:
        return Outcome({}, ResultFile("x.csv", "text/csv", b"x"))

    async with working(quick, kinds(make)):
        over, kept = (queue_as(admin, adas.person, KIND) for _ in range(2))
        for job_id in (over, kept):
            await adas.wait(job_id)
        admin.execute("update public.jobs set expires_at = now() - interval '1 s' where id = %s", (over,))
        left = "select count(*) from public.job_files where job_id = %s"
        await eventually(lambda: admin.execute(left, (over,)).fetchone() == (0,))
    assert (await adas.send("GET", f"/{over}")).status_code == 404
    assert (await adas.result(kept)).content == b"x"


async def test_a_result_of_many_parts_comes_back_as_it_was(
    adas: JobsClient, admin: Admin, quick: WorkerSettings
) -> None:
    content = bytes(range(256)) * 4096  # a MiB

    async def make(_session: RlsSession, work: Work) -> Outcome:
        return Outcome({}, ResultFile("x.bin", "application/octet-stream", work.content[::-1]))

    job_id = queue_as(admin, adas.person, KIND, content)
    async with working(quick, kinds(make)):
        await adas.wait(job_id)
    assert (await adas.result(job_id)).content == content[::-1]
