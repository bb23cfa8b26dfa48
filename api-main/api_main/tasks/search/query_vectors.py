"""What people look for, as vectors: remembered, asked for once, and never waited for while the model sleeps."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cachetools import TTLCache

from api_main.core.database import RlsReader
from api_main.gpu.client import GpuClient
from api_main.gpu.errors import GpuUnavailable, InferenceRefused
from api_main.tasks.search import queries
from api_main.tasks.search.errors import NoMeaning
from api_main.tasks.search.queries import QueryVector, vector_literal
from api_main.tasks.search.schemas import Meaning

REMEMBERED = 1000
REMEMBERED_SECONDS = 300.0
# How long a search by words and meaning waits for a model that is awake: it may be busy.
PATIENCE_SECONDS = 1.0


class QueryVectors:
    """Turns the words of a search into a vector. Without api-gpu, it turns none."""

    def __init__(self, gpu: GpuClient | None) -> None:
        self._gpu = gpu
        self._known: TTLCache[str, QueryVector] = TTLCache(REMEMBERED, REMEMBERED_SECONDS)
        self._asking: dict[str, asyncio.Task[QueryVector]] = {}
        self._are_stored = False

    async def are_possible(self, reader: RlsReader) -> bool:
        """Whether there is an api-gpu to make them, and a table to compare them with."""
        return self._gpu is not None and await self.are_stored(reader)

    async def are_stored(self, reader: RlsReader) -> bool:
        """Whether there is a table of vectors: pgvector may be missing. Where it once was, it stays."""
        if not self._are_stored:
            ((row,),) = await reader.fetch(queries.HAS_VECTORS)
            self._are_stored = row[0] == b"t"
        return self._are_stored

    async def wait(self, words: str) -> QueryVector:
        """The vector, however long it takes.

        Raises:
            GpuUnavailable: it takes longer than `GPU_TIMEOUT`.
            NoMeaning, InferenceRefused
        """
        if self._gpu is None:
            raise NoMeaning
        known = self._recall(words)
        if known is not None:
            return known
        return await asyncio.shield(self._ask(words, self._gpu, self._gpu.deadline()))

    async def at_once(self, words: str) -> tuple[QueryVector | None, Meaning]:
        """The vector if it can be had now; if not, why not. A model that sleeps is woken in the background."""
        if self._gpu is None or self._gpu.is_left_alone:
            return None, Meaning.UNAVAILABLE
        known = self._recall(words)
        if known is not None:
            return known, Meaning.INCLUDED
        if not self._gpu.is_awake or self._gpu.embedding_model is None:
            if not self._asking:
                self._ask(words, self._gpu, self._gpu.start_deadline())
            return None, Meaning.WARMING_UP
        return await self._soon(self._ask(words, self._gpu, self._gpu.deadline()))

    async def close(self) -> None:
        for task in list(self._asking.values()):
            task.cancel()
        await asyncio.gather(*self._asking.values(), return_exceptions=True)

    async def _soon(self, task: asyncio.Task[QueryVector]) -> tuple[QueryVector | None, Meaning]:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await asyncio.shield(task), Meaning.INCLUDED
        except (TimeoutError, GpuUnavailable):
            return None, Meaning.WARMING_UP
        except InferenceRefused:
            return None, Meaning.UNAVAILABLE

    def _recall(self, words: str) -> QueryVector | None:
        known = self._known.get(words)
        if known is None or self._gpu is None or (known.model, known.version) != self._gpu.embedding_model:
            return None
        return known

    def _ask(self, words: str, gpu: GpuClient, deadline: float) -> asyncio.Task[QueryVector]:
        """One question, however many ask it. It goes on when the first of them hangs up."""
        task = self._asking.get(words)
        if task is None:
            task = self._asking[words] = asyncio.create_task(self._embed(words, gpu, deadline))
            task.add_done_callback(lambda done: self._asked(words, done))
        return task

    async def _embed(self, words: str, gpu: GpuClient, deadline: float) -> QueryVector:
        found = await gpu.embed([words], deadline)
        vector = QueryVector(found.model, found.version, vector_literal(found.vectors[0].tolist()))
        self._known[words] = vector
        return vector

    def _asked(self, words: str, task: asyncio.Task[QueryVector]) -> None:
        del self._asking[words]
        if not task.cancelled():
            task.exception()  # whoever waited has it; asyncio need not report it


@asynccontextmanager
async def open_query_vectors(gpu: GpuClient | None) -> AsyncIterator[QueryVectors]:
    vectors = QueryVectors(gpu)
    try:
        yield vectors
    finally:
        await vectors.close()
