"""Search by words, by meaning, or both; and what is near to a task."""

from uuid import UUID

from api_main.core.database import RlsReader
from api_main.core.envelope import page_body
from api_main.core.pagination import Cursor, fetch_page, next_cursor
from api_main.core.rows import Rows
from api_main.tasks.errors import TaskNotFound
from api_main.tasks.search import queries
from api_main.tasks.search.errors import NoMeaning
from api_main.tasks.search.queries import BY_RANK, QueryVector
from api_main.tasks.search.query_vectors import QueryVectors
from api_main.tasks.search.schemas import Meaning, SearchMeta, SearchMode, SimilarQuery, TaskSearchQuery

# Whose cursors a mode goes on from: a search for both may have begun with the words alone.
ORDERS: dict[SearchMode, tuple[str, ...]] = {
    SearchMode.TEXT: (BY_RANK,),
    SearchMode.HYBRID: (BY_RANK, SearchMode.HYBRID),
    SearchMode.SEMANTIC: (SearchMode.SEMANTIC,),
}


async def search_page(reader: RlsReader, vectors: QueryVectors, wanted: TaskSearchQuery) -> bytes:
    """A page of matches, best first, as the answer's body.

    A search for both begins with the words alone where the model sleeps; its other pages then do as well. Where the
    first page had both, the others wait for the vector.

    Raises:
        InvalidCursor
        GpuUnavailable, NoMeaning, InferenceRefused: there is no vector, and no answer without one.
    """
    order = Cursor.parse(wanted.cursor, *ORDERS[wanted.mode]).order if wanted.cursor else None
    if wanted.mode is SearchMode.TEXT or order == BY_RANK:
        return await _by_words(reader, wanted, Meaning.LEFT_OUT)
    possible = await vectors.are_possible(reader)
    if wanted.mode is SearchMode.HYBRID and order is None:
        vector, meaning = await vectors.at_once(wanted.q) if possible else (None, Meaning.UNAVAILABLE)
        if vector is None:
            return await _by_words(reader, wanted, meaning)
        return await _by_meaning(reader, wanted, vector)
    if not possible:
        raise NoMeaning
    return await _by_meaning(reader, wanted, await vectors.wait(wanted.q))


async def similar_page(reader: RlsReader, vectors: QueryVectors, task_id: UUID, wanted: SimilarQuery) -> bytes:
    """The nearest tasks to a task, as the answer's body.

    Raises:
        TaskNotFound, NoMeaning
    """
    if not await vectors.are_stored(reader):
        raise NoMeaning
    embedded, _, rows = await reader.fetch(
        queries.has_vector(task_id), queries.SETTINGS, queries.similar(task_id, wanted)
    )
    if not embedded:
        raise TaskNotFound
    meaning = Meaning.INCLUDED if embedded[0][0] == b"t" else Meaning.PENDING
    return page_body(rows.column(0, wanted.limit), SearchMeta(limit=wanted.limit, meaning=meaning))


async def _by_words(reader: RlsReader, wanted: TaskSearchQuery, meaning: Meaning) -> bytes:
    (rows,) = await fetch_page(reader, queries.by_words(wanted))
    return _page(rows, wanted.limit, BY_RANK, meaning)


async def _by_meaning(reader: RlsReader, wanted: TaskSearchQuery, vector: QueryVector) -> bytes:
    _, rows = await fetch_page(reader, queries.SETTINGS, queries.by_meaning(wanted, vector))
    return _page(rows, wanted.limit, wanted.mode, Meaning.INCLUDED)


def _page(rows: Rows, limit: int, order: str, meaning: Meaning) -> bytes:
    cursor = next_cursor(rows, limit, order)
    return page_body(rows.column(0, limit), SearchMeta(limit=limit, next_cursor=cursor, meaning=meaning))
