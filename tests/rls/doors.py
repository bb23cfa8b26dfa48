"""Ask through a session, and look at what a connection carries."""

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg.pq import TransactionStatus
from sqlalchemy import CursorResult, text

from api_main.core.database import Database, RlsSession
from api_main.core.prelude import RlsConnection
from tests.rls.stage import Stage

ON_IT = """
select current_user::text, session_user::text, current_setting('role'), current_setting('transaction_read_only'),
  coalesce(current_setting('request.jwt.claims', true), ''),
  coalesce(current_setting('request.jwt.claim.sub', true), '')
"""
NOBODY = ("api_main", "api_main", "none", "off", "", "")


async def ask(
    session: RlsSession, sql: str, rows: Sequence[Mapping[str, Any]] | None = None
) -> CursorResult[*tuple[Any, ...]]:
    """SQL as text: SQLModel's own `exec` takes none."""
    return await (await session.connection()).execute(text(sql), rows)


async def assert_is(session: RlsSession, stage: Stage, name: str) -> None:
    role, subject = (await ask(session, "select current_user, auth.uid()")).one()
    assert (role, subject) == ("authenticated", stage.people[name].id)


async def assert_clean(connection: RlsConnection) -> None:
    """It is idle, and carries no identity."""
    assert connection.identity is None
    assert connection.info.transaction_status == TransactionStatus.IDLE
    assert await (await connection.execute(ON_IT)).fetchone() == NOBODY


async def assert_nobody(database: Database) -> None:
    """The next connection of the pool is clean."""
    async with database._pool.connection() as connection:
        await assert_clean(connection)
