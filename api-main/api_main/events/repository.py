"""What a process does about events for all whom it serves, as `job_worker`; and presence, as the one who is there."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import CursorResult, TextClause, text

from api_main.core.database import RlsReader, RlsSession
from api_main.core.prelude import Identity, Query

KEEPER = Identity("job_worker")

HEADS = text("select owner_id, last_id from private.live_heads(:owners)")
SWEEP = text("select private.sweep_live_events(:keep)")
JOIN = text("select private.join_presence(:channel, :process)")
LEAVE = text("select private.leave_presence(:channel, :process)")
KEEP = text("select private.keep_presences(:process, :channels, :users)")


async def heads(session: RlsSession, owners: Sequence[UUID]) -> list[tuple[UUID, int]]:
    """The newest id of each of these feeds."""
    return [(owner, head) for owner, head in await _run(session, HEADS, owners=owners)]


async def sweep(session: RlsSession, keep: timedelta) -> None:
    """Delete events that are older."""
    await _run(session, SWEEP, keep=keep)


async def join(session: RlsSession, channel: str, process: UUID) -> bool:
    """Be seen in a channel from now on. False: it is not the caller's."""
    joined: bool = (await _run(session, JOIN, channel=channel, process=process)).scalar_one()
    return joined


async def leave(session: RlsSession, channel: str, process: UUID) -> None:
    await _run(session, LEAVE, channel=channel, process=process)


async def keep(session: RlsSession, process: UUID, here: Collection[tuple[str, UUID]]) -> None:
    """Say that these, and nobody else, are connected to this process: channels, and who is in them."""
    channels, users = [channel for channel, _ in here], [user for _, user in here]
    await _run(session, KEEP, process=process, channels=channels, users=users)


async def present(reader: RlsReader, channel: str) -> list[str]:
    """The ids of those who are in a channel. Nobody, if it is not the caller's."""
    [rows] = await reader.fetch(Query("select user_id from private.present_in($1)", (channel,)))
    return [user.decode() for user in rows.column(0, len(rows))]


async def _run(session: RlsSession, statement: TextClause, **parameters: Any) -> CursorResult[*tuple[Any, ...]]:
    return await (await session.connection()).execute(statement, parameters)
