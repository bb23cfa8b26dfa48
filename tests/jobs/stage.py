"""A kind of job of a test's own, and a look at what becomes of it."""

from collections.abc import Mapping
from typing import Any

import psycopg
from sqlalchemy import text

from api_main.auth.scopes import Scope
from api_main.core.database import RlsSession
from api_main.jobs.work import Handler, Kind

Admin = psycopg.Connection[Any]

KIND = "test.work"
QUEUED_ROWS = "select count(*) from procrastinate.procrastinate_jobs where args ->> 'job_id' = %s"


def kinds(handler: Handler) -> Mapping[str, Kind]:
    return {KIND: Kind(handler, Scope.TASKS_WRITE)}


async def write_task(session: RlsSession, title: str) -> None:
    statement = text("insert into public.tasks (title) values (:title)")
    await (await session.connection()).execute(statement, {"title": title})
