"""Sessions that ended before their tokens expire: signed out, banned, deleted or switched off.

A verified token says nothing of that, so its session is looked up: at each request where a route asks for it
(`check_now`), and elsewhere at most once per session and period (`check`). For the bound see `REVOCATION_SECONDS`;
`REVOCATION_STRICT` looks at every request (https://supabase.com/docs/guides/auth/sessions).
"""

import asyncio
import time
from collections.abc import Collection
from contextlib import suppress
from typing import NamedTuple
from uuid import UUID

from cachetools import LRUCache

from api_main.auth import repository
from api_main.auth.errors import SessionEnded
from api_main.auth.events import SecurityEvent, record
from api_main.auth.principal import Principal
from api_main.core.database import Database, RlsReader
from api_main.core.prelude import Query
from api_main.core.rows import Rows

REMEMBERED_SESSIONS = 20_000

# The subject too: whoever may sign tokens must not borrow the verdict of another account's session.
Key = tuple[UUID | None, UUID]


class Verdict(NamedTuple):
    """What a look has shown, and until when (monotonic clock) it holds."""

    live: bool
    until: float


class Revocations:
    """What has become of sessions, remembered for a bounded time."""

    def __init__(self, database: Database, issuers: Collection[str], *, seconds: float, strict: bool) -> None:
        """`issuers` are those whose sessions are rows of `auth.sessions`; tokens of others are not looked up."""
        self.strict = strict
        self._database = database
        self._issuers = frozenset(issuers)
        self._seconds = seconds
        # Not a TTLCache: a verdict's time runs from the beginning of the look, which may itself take seconds.
        self._verdicts: LRUCache[Key, Verdict] = LRUCache(REMEMBERED_SESSIONS)
        self._looks: dict[Key, asyncio.Task[Verdict]] = {}

    def covers(self, principal: Principal) -> bool:
        """Whether there is a session to look up: third parties, services and personal tokens have none here."""
        return principal.session is not None and principal.issuer in self._issuers

    async def check(self, principal: Principal) -> None:
        """Refuse a caller whose session has ended, at the latest when the period is over.

        Raises:
            SessionEnded
            psycopg.Error: no verdict holds, and the database gives none.
        """
        if not self.covers(principal):
            return
        if self.strict:
            await self.check_now(principal)
            return
        verdict = self._verdicts.get(_key(principal))
        if verdict is None or verdict.until <= time.monotonic():
            verdict = await self._look_together(principal)
        _require_live(principal, live=verdict.live)

    async def check_now(self, principal: Principal) -> None:
        """Refuse a caller whose session has ended, or who has none, as of this very moment.

        Raises:
            SessionEnded
            psycopg.Error: the database is away.
        """
        _require_live(principal, live=(await self._look(principal)).live)

    def forget(self, principal: Principal) -> None:
        """Look again at the caller's next request: the session is about to change."""
        self._verdicts.pop(_key(principal), None)

    async def _look_together(self, principal: Principal) -> Verdict:
        """One look, however many ask. It goes on if the first of them hangs up."""
        key = _key(principal)
        look = self._looks.get(key)
        if look is None:
            look = self._looks[key] = asyncio.create_task(self._look(principal))
            look.add_done_callback(lambda look: self._end(key, look))
        return await asyncio.shield(look)

    def _end(self, key: Key, look: asyncio.Task[Verdict]) -> None:
        del self._looks[key]
        with suppress(asyncio.CancelledError):
            look.exception()  # else asyncio complains of it when all who asked have hung up

    async def _look(self, principal: Principal) -> Verdict:
        until = time.monotonic() + self._seconds
        live = await repository.session_is_live(self._database.reader(principal.identity))
        verdict = self._verdicts[_key(principal)] = Verdict(live, until)
        return verdict


class StrictReader(RlsReader):
    """A reader whose every fetch takes the look along, in the same round trip."""

    __slots__ = ()

    async def fetch(self, *queries: Query) -> list[Rows]:
        """See `RlsReader.fetch`.

        Raises:
            SessionEnded
        """
        [[(live,)], *rows] = await super().fetch(repository.SESSION_IS_LIVE, *queries)
        if live != b"t":
            raise SessionEnded
        return rows


def _key(principal: Principal) -> Key:
    return principal.session, principal.subject


def _require_live(principal: Principal, *, live: bool) -> None:
    if not live:
        record(SecurityEvent.TOKEN_REFUSED, subject=principal.subject, reason=SessionEnded.code)
        raise SessionEnded
