"""Tasks in chunks by key. Each chunk is a transaction of its own: nothing is held while the client takes its time."""

from collections.abc import AsyncIterator, Awaitable, Callable

from pydantic import TypeAdapter

from api_main.core.database import RlsReader
from api_main.tasks import queries
from api_main.tasks.exchange.writing import COLUMNS, csv_record
from api_main.tasks.export.schemas import ExportFormat, TaskExportQuery
from api_main.tasks.schemas import TaskRead

CHUNK = 500
"""Tasks that are in memory at once: 20 MB, if each of them is as long as a task can be."""

Chunk = list[bytes]
NextReader = Callable[[], Awaitable[RlsReader]]

TASKS: TypeAdapter[list[TaskRead]] = TypeAdapter(list[TaskRead])


async def export(next_reader: NextReader, wanted: TaskExportQuery, form: ExportFormat) -> AsyncIterator[bytes]:
    """The parts of the file. The first of them is read before this returns: until then a failure has an answer.

    Raises:
        ApiError: from `next_reader`, then and later.
        psycopg.Error: the database failed, then or later.
    """
    chunks = read_chunks(next_reader, wanted)
    first = await anext(chunks)
    return WRITERS[form](_resumed(first, chunks))


async def read_chunks(next_reader: NextReader, wanted: TaskExportQuery) -> AsyncIterator[Chunk]:
    """All tasks that match, as JSON, the oldest first; at least one chunk, which may be empty.

    A task that is there all the time comes exactly once. One that is created or deleted meanwhile may come or not.
    """
    after: queries.Position | None = None
    while True:
        reader = await next_reader()
        (rows,) = await reader.fetch(queries.chunk(wanted, wanted.q, after, CHUNK))
        yield rows.column(0, CHUNK)
        if len(rows) < CHUNK:
            return
        _task, created_at, task_id = rows[-1]
        after = (created_at or b"").decode(), (task_id or b"").decode()


async def write_ndjson(chunks: AsyncIterator[Chunk]) -> AsyncIterator[bytes]:
    """A line per task (https://github.com/ndjson/ndjson-spec), as `GET /tasks/{task_id}` shows it."""
    async for chunk in chunks:
        yield b"".join(task + b"\n" for task in chunk)


async def write_csv(chunks: AsyncIterator[Chunk]) -> AsyncIterator[bytes]:
    """A header and a record per task, as the job `tasks.export` writes them."""
    yield csv_record(COLUMNS)
    async for chunk in chunks:
        tasks = TASKS.validate_json(b"[%b]" % b",".join(chunk))
        yield b"".join(csv_record([getattr(task, name) for name in COLUMNS]) for task in tasks)


WRITERS = {ExportFormat.NDJSON: write_ndjson, ExportFormat.CSV: write_csv}


async def _resumed(first: Chunk, others: AsyncIterator[Chunk]) -> AsyncIterator[Chunk]:
    yield first
    async for chunk in others:
        yield chunk
