"""The queue of tasks to embed and the table of vectors, as the role `embedder`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import CursorResult, TextClause, text

from api_main.core.database import RlsSession

IS_POSSIBLE = text("select to_regclass('public.task_embeddings') is not null")
IS_WAITING = text(
    "select exists (select from private.tasks_to_embed where claimed_until is null or claimed_until < now())"
)
CLAIM = text("""
  with free as (
    select task_id from private.tasks_to_embed
    where claimed_until is null or claimed_until < now() limit :most for update skip locked
  )
  update private.tasks_to_embed w set claimed_until = now() + interval '180 s'
  from free where w.task_id = free.task_id returning w.task_id, w.revision
""")
# A statement of its own, for it must see at least the words of the revisions that have been claimed.
READ = text("select id, concat_ws(E'\\n', title, left(description, 2000)) from public.tasks where id = any (:ids)")
# The vectors first: a row that points at a task waits for whoever is deleting that task, who waits for the queue's row.
STORE = text("""
  merge into public.task_embeddings stored
  using (
    select t.id, t.owner_id, made.embedding::extensions.vector as embedding
    from unnest(cast(:ids as uuid[]), cast(:vectors as text[])) as made (id, embedding)
    join public.tasks t on t.id = made.id
  ) made on stored.task_id = made.id
  when matched then update set owner_id = made.owner_id, model = :model, model_version = :version,
    embedding = made.embedding, embedded_at = now()
  when not matched then insert (task_id, owner_id, model, model_version, embedding)
    values (made.id, made.owner_id, :model, :version, made.embedding)
""")
# A row that is locked is being queued anew: neither of these two need touch it.
TAKE_OUT = text("""
  delete from private.tasks_to_embed w using (
    select task_id from private.tasks_to_embed q
    join unnest(cast(:ids as uuid[]), cast(:revisions as int[])) as done (id, revision)
      on q.task_id = done.id and q.revision = done.revision
    for update of q skip locked
  ) done where w.task_id = done.task_id
""")
RELEASE = text("""
  update private.tasks_to_embed w set claimed_until = null
  from (select task_id from private.tasks_to_embed where task_id = any (:ids) for update skip locked) ours
  where w.task_id = ours.task_id
""")
# Less than `deadlock_timeout`: of two who wait for each other, it must not be the person who is told to go.
GIVE_WAY = text("select set_config('lock_timeout', '500ms', true)")
# Two ranges, for no index finds what is unequal.
QUEUE_OLD = text("""
  insert into private.tasks_to_embed (task_id)
  select task_id from public.task_embeddings
  where (model, model_version) < (:model, :version) or (model, model_version) > (:model, :version)
  limit :most
  on conflict do nothing
""")


@dataclass(frozen=True, slots=True)
class Claimed:
    """A task that is ours to embed for a while: its words, and which revision of them."""

    task_id: UUID
    revision: int
    words: str


async def give_way(session: RlsSession) -> None:
    """Never wait long for a row, for the rest of this transaction: whoever holds it may be waiting for one of ours."""
    await _run(session, GIVE_WAY)


async def is_possible(session: RlsSession) -> bool:
    """Whether there is a table for the vectors: pgvector may be missing."""
    return bool((await _run(session, IS_POSSIBLE)).scalar_one())


async def is_waiting(session: RlsSession) -> bool:
    """Whether there is a task to embed that nobody is at."""
    return bool((await _run(session, IS_WAITING)).scalar_one())


async def claim(session: RlsSession, most: int) -> list[Claimed]:
    """Tasks that nobody else will embed for three minutes, once this is committed."""
    revisions: dict[UUID, int] = {row.task_id: row.revision for row in await _run(session, CLAIM, most=most)}
    words = await _run(session, READ, ids=list(revisions))
    return [Claimed(task_id, revisions[task_id], text) for task_id, text in words]


async def store(session: RlsSession, tasks: Sequence[Claimed], model: str, version: str, vectors: list[str]) -> None:
    """Keep a vector for each task, and take those out of the queue whose words are still the same."""
    await _run(session, STORE, ids=_ids(tasks), vectors=vectors, model=model, version=version)
    await take_out(session, tasks)


async def take_out(session: RlsSession, tasks: Sequence[Claimed]) -> None:
    """These are done, unless their words have changed since."""
    await _run(session, TAKE_OUT, ids=_ids(tasks), revisions=[task.revision for task in tasks])


async def release(session: RlsSession, tasks: Sequence[Claimed]) -> None:
    """Let others embed what we could not."""
    await _run(session, RELEASE, ids=_ids(tasks))


async def queue_others(session: RlsSession, model: str, version: str, most: int) -> int:
    """Queue tasks whose vectors another model made. How many: 0 where there are none left."""
    return (await _run(session, QUEUE_OLD, model=model, version=version, most=most)).rowcount


def _ids(tasks: Sequence[Claimed]) -> list[UUID]:
    return [task.task_id for task in tasks]


async def _run(session: RlsSession, statement: TextClause, **parameters: Any) -> CursorResult[*tuple[Any, ...]]:
    return await (await session.connection()).execute(statement, parameters)
