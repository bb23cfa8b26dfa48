"""Follow a job to its end. Between two looks there is no transaction, and no connection is held."""

from collections.abc import AsyncIterator
from uuid import UUID

import psycopg
import structlog
from sqlalchemy.exc import DBAPIError

from api_main.events.dependencies import Caller
from api_main.events.follower import Follower
from api_main.jobs import repository
from api_main.jobs.schemas import JobRead

SOON, LATER = 0.25, 2.0  # seconds between two looks: the longer nothing happens, the longer

log = structlog.get_logger()


async def follow(caller: Caller, follower: Follower, job_id: UUID) -> AsyncIterator[JobRead]:
    """The job as it is now, and again whenever it has changed, until it is finished or the connection's time is up."""
    lifetime, identity = caller.lifetime(follower), caller.principal.identity
    seen, pause = 0, SOON
    while await lifetime.over() is None:
        try:
            async with caller.state.database.session(identity) as session:
                job = await repository.get(session, job_id)
        except (DBAPIError, psycopg.Error) as trouble:  # the client comes again
            log.warning("stream_ended", job=str(job_id), reason=type(trouble).__name__)
            return
        if job is None:
            return
        if job.version != seen:
            seen, pause = job.version, SOON
            yield JobRead.of(job)
        if job.state.is_final:
            return
        await follower.wait(min(pause, lifetime.seconds))
        pause = min(pause * 1.5, LATER)
