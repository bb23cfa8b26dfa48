"""An account's feed of events, read under its own rights: what came after an id, with the rows as they are now."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import LiteralString

from api_main.core.database import RlsReader
from api_main.core.prelude import Query
from api_main.events.follower import Follower
from api_main.events.topics import Topic, Topics

LARGEST_ID = 2**63 - 1
# Why a client has to read anew: what came after its id is no longer kept, or was too much to be told one by one.
EXPIRED, MANY_CHANGES = RESET_REASONS = ("expired", "many_changes")
LARGEST_BATCH = 100  # events
ROWS = 20  # of `live_events`, of which each stands for up to a thousand events

# One statement, so that it sees one state: how far the feed is, how far back it goes, and what it holds after `$1`.
READ: LiteralString = """
select f.last_id, f.oldest, e.id, e.topic, e.change, e.subject,
  case when e.change <> 'deleted' then case e.topic {rows} end end
from (
  select
    coalesce((select last_id from public.live_feeds where owner_id = (select auth.uid())), 0) as last_id,
    (select last_id - coalesce(cardinality(subjects), 1) + 1 from public.live_events
      where owner_id = (select auth.uid()) and last_id is not null order by last_id limit 1) as oldest
) f left join lateral (
  select * from (
    select r.last_id - coalesce(cardinality(r.subjects), 1) + coalesce(s.place, 1) as id, r.topic, r.change, s.subject
    from (
      select last_id, topic, change, subjects from public.live_events
      where owner_id = (select auth.uid()) and last_id > $1::bigint and topic = any ($2::text[])
      order by last_id limit {rows_read}
    ) r left join lateral unnest(r.subjects) with ordinality s (subject, place) on true
  ) x where id > $1::bigint order by id limit {largest_batch}
) e on true
order by e.id
"""


@dataclass(frozen=True, slots=True)
class Event:
    """One change.

    Attributes:
        id: of the event, in its feed.
        topic: the table.
        change: created, updated or deleted.
        subject: the id of the row. None: more rows than are told one by one.
        row: as JSON, as it is now. None: it is gone.
    """

    id: int
    topic: str
    change: str
    subject: str | None
    row: bytes | None


@dataclass(frozen=True, slots=True)
class Batch:
    """What came after an id.

    Attributes:
        events: in order; not all of them, perhaps.
        position: the id after which to go on.
        newest: the newest id of the feed.
        is_lost: whether some have been deleted, or never were: what is here does not follow on that id.
    """

    events: list[Event]
    position: int
    newest: int
    is_lost: bool


class Feed:
    """The caller's own."""

    def __init__(self, reader: RlsReader, topics: Topics) -> None:
        self.reader = reader
        self._sql = _read_sql(tuple(topics))

    async def read(self, after: int, topics: Collection[str]) -> Batch:
        """What came after an id, about these topics.

        Raises:
            psycopg.Error: the database is away.
        """
        wanted = "{" + ",".join(topics) + "}"
        [rows] = await self.reader.fetch(Query(self._sql, (str(after), wanted)))
        newest, oldest = int(rows[0][0] or 0), rows[0][1]
        first = newest + 1 if oldest is None else int(oldest)
        if after > newest or after + 1 < first:
            return Batch([], newest, newest, is_lost=True)
        events = [_event(row[2:]) for row in rows if row[2] is not None]
        is_all = len(events) < ROWS  # each row is an event at least
        return Batch(events, newest if is_all else events[-1].id, newest, is_lost=False)


class Following:
    """A place in a feed, which moves on as the feed grows."""

    def __init__(self, feed: Feed, follower: Follower, topics: Collection[str]) -> None:
        self.position = 0
        self._feed = feed
        self._follower = follower
        self._topics = topics
        self._may_have_more = True

    async def begin(self, after: int | None) -> None:
        """Begin after this event; None: with what comes next.

        Raises:
            psycopg.Error: the database is away.
        """
        if after is not None:
            self.position = after
            return
        # Whatever is committed from here on wakes the follower.
        self.position = (await self._feed.read(0, ())).newest
        self._may_have_more = False

    async def more(self) -> Batch | None:
        """The next events. None: there are none, wait.

        Raises:
            psycopg.Error: the database is away; ask again.
        """
        head = self._follower.head
        if head <= self.position and not self._may_have_more:
            return None
        batch = await self._feed.read(self.position, self._topics)
        self.position = batch.position
        self._may_have_more = batch.position < batch.newest
        if self._follower.head == head:  # nothing was heard meanwhile, so what we have read is what there is
            self._follower.head = batch.newest
        return batch


@cache
def _read_sql(topics: tuple[Topic, ...]) -> LiteralString:
    """One text for all who are connected."""
    rows: LiteralString = " ".join(f"when '{topic.name}' then {topic.row}" for topic in topics)
    return READ.format(rows=rows, rows_read=str(ROWS), largest_batch=str(LARGEST_BATCH))


def _event(row: tuple[bytes | None, ...]) -> Event:
    number, topic, change, subject, content = row
    assert number is not None and topic is not None and change is not None  # noqa: PT018 - for mypy
    return Event(int(number), topic.decode(), change.decode(), subject.decode() if subject else None, content)
