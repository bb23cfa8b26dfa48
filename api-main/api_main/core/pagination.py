"""Cursor pagination by key: the next page begins after a row, so inserts and deletes shift nothing.

A cursor is opaque to clients: base64url of the order, the last row's key in it, and its id. It grants nothing:
what it leads to is filtered like everything else.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated, Self
from uuid import UUID

from psycopg import DataError
from pydantic import BaseModel, Field
from pydantic_core import to_json

from api_main.core.database import RlsReader
from api_main.core.errors import InvalidCursor
from api_main.core.prelude import Query
from api_main.core.rows import Rows

MAX_CURSOR_LENGTH = 4096  # a title of 255 characters, as long as JSON and base64 can make it

Limit = Annotated[int, Field(ge=1, le=100, description="How many at most")]
CursorText = Annotated[
    str | None, Field(max_length=MAX_CURSOR_LENGTH, description="`meta.next_cursor` of the page before")
]


class Cursor(BaseModel):
    """The last row of a page, in the order of the list."""

    order: str
    key: str
    id: UUID

    @classmethod
    def parse(cls, text: str, *orders: str) -> Self:
        """Read a cursor of one of these orders.

        Raises:
            InvalidCursor: it is not one of ours, or belongs to another order.
        """
        try:
            found, key, row_id = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            cursor = cls(order=found, key=key, id=row_id)
            key.encode()  # half a surrogate pair is a UnicodeEncodeError, which is a ValueError
        except (ValueError, TypeError, RecursionError):
            raise InvalidCursor(field="cursor") from None
        if cursor.order not in orders or "\x00" in key:
            raise InvalidCursor(field="cursor")
        return cursor

    @staticmethod
    def write(order: str, key: str, row_id: str) -> str:
        """The cursor of a row of our own, which needs no checking."""
        return urlsafe_b64encode(to_json([order, key, row_id])).rstrip(b"=").decode()


async def fetch_page(reader: RlsReader, *statements: Query) -> list[Rows]:
    """As `RlsReader.fetch`, for statements in which everything but a cursor's key was validated.

    Raises:
        InvalidCursor: the key is not of the type of its order.
    """
    try:
        return await reader.fetch(*statements)
    except DataError:
        raise InvalidCursor(field="cursor") from None


def next_cursor(rows: Rows, limit: int, order: str) -> str | None:
    """Where the next page begins: there is one if `limit` rows left one over. A row is an item, its key, its id."""
    if len(rows) <= limit:
        return None
    _item, key, row_id = rows[limit - 1]
    return Cursor.write(order, (key or b"").decode(), (row_id or b"").decode())
