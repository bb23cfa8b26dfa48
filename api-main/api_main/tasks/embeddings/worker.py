"""Embeds what is missing or stale: woken by NOTIFY, and by a sweep that misses nothing.

Every process of the API runs one. They share the queue by claims, so none does another's work; a claim whose process
died runs out.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import psycopg
import structlog
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from api_main.core.database import Database, RlsSession
from api_main.core.listening import Listener
from api_main.core.prelude import Identity
from api_main.core.settings import Settings
from api_main.core.stopping import end
from api_main.gpu.client import GpuClient
from api_main.gpu.errors import GpuUnavailable, InferenceRefused, ModelNotFound
from api_main.tasks.embeddings import repository
from api_main.tasks.embeddings.repository import Claimed
from api_main.tasks.search.queries import vector_literal

log = structlog.get_logger()

EMBEDDER = Identity("embedder")
CHANNEL = "tasks_to_embed"
BATCH = 64  # small enough that a search does not wait long behind it
OLD_BATCH = 1000
BATCH_SECONDS = 120.0  # less than a claim lasts
CONFLICT_SECONDS = 0.5  # for whoever is writing these tasks to be done


class EmbeddingWorker:
    """Runs until it is cancelled, whatever happens to the database or to api-gpu meanwhile."""

    def __init__(self, database: Database, gpu: GpuClient, *, sweep_seconds: float) -> None:
        self._database = database
        self._gpu = gpu
        self._sweep_seconds = sweep_seconds
        self._woken = asyncio.Event()
        self._compared_with: tuple[str, str] | None = None
        self._trouble: str | None = None

    def wake(self, _payload: str | None = None) -> None:
        """There is something to embed, or there may be."""
        self._woken.set()

    async def work_off(self) -> None:
        """Embed until nothing is waiting that somebody else is not at.

        Raises:
            GpuUnavailable, ModelNotFound: tasks are left in the queue.
            sqlalchemy.exc.DBAPIError
        """
        while await self._is_waiting() or await self._queue_others():
            await self._gpu.wake(self._gpu.start_deadline())
            async with self._session() as session:
                tasks = await repository.claim(session, BATCH)
            if tasks:
                await self._embed(tasks)

    async def run(self) -> None:
        while True:
            try:
                await self.work_off()
                self._trouble = None
            except (GpuUnavailable, ModelNotFound, DBAPIError, psycopg.Error) as error:
                self._note(error)
            try:
                async with asyncio.timeout(self._sweep_seconds):
                    await self._woken.wait()
            except TimeoutError:
                continue
            self._woken.clear()

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[RlsSession]:
        async with self._database.session(EMBEDDER) as session:
            await repository.give_way(session)
            yield session

    async def _is_waiting(self) -> bool:
        async with self._session() as session:
            if await repository.is_possible(session):
                return await repository.is_waiting(session)
        if self._trouble is None:
            self._trouble = "no table"
            log.warning("embedding_impossible", reason="pgvector is missing: install it, then migrate")
        return False

    async def _queue_others(self) -> bool:
        """Whether there are tasks whose vectors a model has made that has been replaced. Looks once per model."""
        model = self._gpu.embedding_model
        if model is None or model == self._compared_with:
            return False
        async with self._session() as session:
            queued = await repository.queue_others(session, *model, OLD_BATCH)
        if not queued:
            self._compared_with = model
        return queued > 0

    async def _embed(self, tasks: Sequence[Claimed]) -> None:
        try:
            found = await self._gpu.embed([task.words for task in tasks], self._gpu.deadline(BATCH_SECONDS))
        except InferenceRefused as refusal:
            await self._embed_apart(tasks, refusal)
            return
        except BaseException:
            await self._release(tasks)
            raise
        vectors = [vector_literal(vector.tolist()) for vector in found.vectors]
        try:
            async with self._session() as session:
                await repository.store(session, tasks, found.model, found.version, vectors)
        except (IntegrityError, OperationalError):  # somebody is deleting one of them, or writing several at once
            await self._release(tasks)
            await asyncio.sleep(CONFLICT_SECONDS)

    async def _embed_apart(self, tasks: Sequence[Claimed], refusal: InferenceRefused) -> None:
        """One of them will not do: find out which, and do not ask again until its words change."""
        if len(tasks) > 1:
            middle = len(tasks) // 2
            await self._embed(tasks[:middle])
            await self._embed(tasks[middle:])
            return
        log.warning("task_not_embeddable", task=str(tasks[0].task_id), reason=refusal.message)
        async with self._session() as session:
            await repository.take_out(session, tasks)

    async def _release(self, tasks: Sequence[Claimed]) -> None:
        async with self._session() as session:
            await repository.release(session, tasks)

    def _note(self, error: Exception) -> None:
        """Once for each kind of trouble, and not again with every sweep."""
        if self._trouble != type(error).__name__:
            self._trouble = type(error).__name__
            log.warning("embedding_delayed", error=self._trouble, reason=str(error).partition("\n")[0])


@asynccontextmanager
async def embedding(
    settings: Settings, database: Database, listener: Listener, gpu: GpuClient | None
) -> AsyncIterator[None]:
    """Embed tasks meanwhile, where there is an api-gpu."""
    if gpu is None:
        yield
        return
    worker = EmbeddingWorker(database, gpu, sweep_seconds=settings.embedding_sweep_seconds)
    listener.on(CHANNEL, worker.wake)
    task = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        await end(task)
