"""The audit log, page by page."""

from api_main.audit import queries
from api_main.audit.schemas import EntryQuery
from api_main.core.database import RlsReader
from api_main.core.envelope import Meta, page_body
from api_main.core.pagination import fetch_page, next_cursor


async def list_page(reader: RlsReader, wanted: EntryQuery) -> bytes:
    """A page of the log, as the answer's body.

    Raises:
        InvalidCursor
    """
    (rows,) = await fetch_page(reader, queries.page(wanted))
    cursor = next_cursor(rows, wanted.limit, wanted.sort)
    return page_body(rows.column(0, wanted.limit), Meta(limit=wanted.limit, next_cursor=cursor))
