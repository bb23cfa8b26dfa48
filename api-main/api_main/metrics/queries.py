"""What the database says about itself, as the role `observer`: it may call two functions, and read nothing."""

import json
from typing import Any, NamedTuple

from api_main.core.database import Database
from api_main.core.prelude import Identity, Query

OBSERVER = Identity("observer")

QUEUE_AGES = Query("""
select jobs_waiting, jobs_oldest_seconds, jobs_running, embeddings_waiting, embeddings_oldest_seconds,
  (to_regclass('public.task_embeddings') is not null)::integer
from private.queue_ages()
""")


class QueueAges(NamedTuple):
    """How much waits, and for how many seconds the oldest does."""

    jobs_waiting: float
    jobs_oldest_seconds: float
    jobs_running: float
    embeddings_waiting: float
    embeddings_oldest_seconds: float
    embeddings_possible: float
    """0 where pgvector is missing: they wait for good."""


async def queue_ages(database: Database) -> QueueAges:
    ((row,),) = await database.reader(OBSERVER).fetch(QUEUE_AGES)
    return QueueAges(*(float(value or 0) for value in row))


async def slowest_statements(database: Database, most: int) -> list[dict[str, Any]] | None:
    """The statements that take longest on average. None where the server does not count them."""
    query = Query("select private.slowest_statements($1)", (str(most),))
    ((row,),) = await database.reader(OBSERVER).fetch(query)
    found: list[dict[str, Any]] | None = None if row[0] is None else json.loads(row[0])
    return found
