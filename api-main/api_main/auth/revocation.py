"""Sessions that ended before their tokens expire: signed out, banned, deleted or switched off.

A verified token says nothing of that, so its session is looked up: at each request where a route asks for it
(`check_now`), and elsewhere at most once per session and period (`check`). For the bound see `REVOCATION_SECONDS`;
`REVOCATION_STRICT` looks at every request (https://supabase.com/docs/guides/auth/sessions).
"""

from collections.abc import Collection
from functools import partial
from uuid import UUID

from api_main.auth import repository
from api_main.auth.errors import SessionEnded
from api_main.auth.events import SecurityEvent, record
from api_main.auth.principal import Principal
from api_main.auth.tags import sessions_of
from api_main.core.cache import Cache
from api_main.core.database import Database, RlsReader
from api_main.core.prelude import Query
from api_main.core.rows import Rows

LIVE, ENDED = b"live", b"ended"


class Revocations:
    """What has become of sessions, remembered for a bounded time, and for all replicas together."""

    def __init__(
        self, database: Database, cache: Cache, issuers: Collection[str], *, seconds: float, strict: bool
    ) -> None:
        """`issuers` are those whose sessions are rows of `auth.sessions`; tokens of others are not looked up."""
        self.strict = strict
        self._database = database
        self._cache = cache
        self._issuers = frozenset(issuers)
        self._seconds = seconds

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
        key, tag = _key(principal), sessions_of(principal.subject)
        verdict = self._cache.known(key, tag)
        if verdict is None:
            look = partial(self._look, principal)
            verdict = await self._cache.get_or_load(key, self._seconds, look, whose=None, tags=[tag], unheard=True)
        _require_live(principal, live=verdict == LIVE)

    async def check_now(self, principal: Principal) -> None:
        """Refuse a caller whose session has ended, or who has none, as of this very moment.

        Raises:
            SessionEnded
            psycopg.Error: the database is away.
        """
        verdict = await self._look(principal)
        known = self._cache.known(_key(principal), sessions_of(principal.subject))
        if verdict == ENDED or known not in {None, verdict}:  # what this look has shown counts everywhere
            await self.forget(principal.subject)
        _require_live(principal, live=verdict == LIVE)

    async def forget(self, subject: UUID) -> None:
        """Look again at the next request of each session of an account, on every replica: something has changed."""
        await self._cache.invalidate(sessions_of(subject))

    async def _look(self, principal: Principal) -> bytes:
        live = await repository.session_is_live(self._database.reader(principal.identity))
        return LIVE if live else ENDED


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


def _key(principal: Principal) -> str:
    """The subject too: whoever may sign tokens must not borrow the verdict of another account's session."""
    return f"session {principal.session and principal.session.hex} {principal.subject.hex}"


def _require_live(principal: Principal, *, live: bool) -> None:
    if not live:
        record(SecurityEvent.TOKEN_REFUSED, subject=principal.subject, reason=SessionEnded.code)
        raise SessionEnded
