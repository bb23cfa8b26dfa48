"""What was read once and may be shown again: kept in this process, then in Redis for all replicas.

    await cache.get_or_load("dashboard", 60, load, whose=principal.identity, tags=["tasks"])
    await cache.invalidate("tasks")  # after the commit

A value lies under the marks that its tags had before it was read. A tag that is invalidated gets a new mark: what was
kept before, and what was read before and is kept late, is then out of reach. Redis holds the marks and tells every
replica of new ones; a replica that may have missed some forgets all that it knows. Without Redis this process is the
whole world; while Redis is away everything comes from its source.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any

from cachetools import TTLCache
from cashews.backends.memory import Memory

from api_main.core.database import Database, RlsSession
from api_main.core.metrics import CACHE_LOADS, CACHE_READS
from api_main.core.prelude import Identity
from api_main.core.redis import RedisAway, RedisServer
from api_main.core.shared_cache import LONGEST_SECONDS, Kept, SharedCache, new_mark
from service_wire import tracing

REMEMBERED = 20_000  # values and marks in this process
EVERYBODY = "everybody"
OWED = 10_000  # tags that wait for Redis
NOTHING = (0.0, None)
# What changes with every token of a session, and that no policy goes by.
FLEETING_CLAIMS = ("exp", "iat", "nbf", "jti")

Load = Callable[[], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class _Question:
    """What somebody asks for."""

    key: str
    seconds: float
    load: Load
    tags: tuple[str, ...]
    unheard: bool


class Cache:
    """Two levels in front of a source. Values are bytes, as they go over the wire: nobody can change a shared one."""

    def __init__(self, redis: RedisServer | None = None, secret: bytes = b"") -> None:
        """`secret` is what the replicas know, and those who only get at Redis do not."""
        self._near = Memory(REMEMBERED, check_interval=0)
        self._shared = SharedCache(redis, secret) if redis is not None else None
        self._loads: dict[str, tuple[asyncio.Task[bytes], frozenset[str]]] = {}
        self._looks: list[set[str]] = []  # at marks: each with the tags that were renewed meanwhile
        self._losses = 0
        self._owed: TTLCache[str, object] = TTLCache(OWED, LONGEST_SECONDS)
        if redis is not None:
            redis.subscribe(self._hear, self._forget_all, self._return)

    async def get_or_load(
        self,
        key: str,
        seconds: float,
        load: Load,
        *,
        whose: Identity | None,
        tags: Iterable[str] = (),
        unheard: bool = False,
    ) -> bytes:
        """What is kept under a key, or else what `load` reads now.

        However many ask at once, one loads; it goes on if the first of them hangs up. What `load` raises is raised to
        all of them, and is not kept.

        Args:
            key: what it is: a name, and its parameters.
            seconds: that it is kept, counted from the beginning of the load; 3,600 at most.
            load: reads it from its source, with nothing that ends with the request: others may wait for it.
            whose: who sees it, which is part of the key. None only for what everybody may see.
            tags: what it is made of, for `invalidate`.
            unheard: whether `seconds` are bound enough by themselves: kept in this process while Redis is away, too.
        """
        key = f"{EVERYBODY} {key}" if whose is None else f"{_digest(whose)} {key}"
        question = _Question(key, min(seconds, LONGEST_SECONDS), load, tuple(tags), unheard)
        with tracing.span("cache"):
            if unheard or self._hears:
                kept = self._find(question.key, question.tags)
                if kept is not None:
                    CACHE_READS.labels("process").inc()
                    return kept
            CACHE_READS.labels("elsewhere").inc()
            return await asyncio.shield(self._load_together(question))

    def serve(self, database: Database) -> None:
        """Be the one that `forget_after` means in sessions of this database."""
        database.session_info["cache"] = self

    def invalidate_after(self, session: RlsSession, *tags: str) -> None:
        """`invalidate` as soon as the transaction of this session has been committed, before the answer is sent."""
        session.after_commit(partial(self.invalidate, *tags))

    async def invalidate(self, *tags: str) -> None:
        """See to it that nobody is shown again what was read before, on any replica. For after the commit.

        With Redis away that is made up for when it is back; nobody is shown anything that is kept until then.
        """
        self._forget(tags)
        if self._shared is None:
            return
        self._owed.update({tag: object() for tag in tags})
        if self._shared.redis.is_here:
            with suppress(RedisAway):
                await self._settle()

    @property
    def _hears(self) -> bool:
        """Whether this process would know of what was invalidated elsewhere."""
        return self._shared is None or self._shared.redis.is_here

    @property
    def _within_reach(self) -> SharedCache | None:
        return self._shared if self._shared is not None and self._shared.redis.is_here else None

    def known(self, key: str, *tags: str) -> bytes | None:
        """What everybody may see under a key, as far as this process keeps it: the shortest way to it.

        Also while Redis is away, as for those who load it `unheard`.
        """
        return self._find(f"{EVERYBODY} {key}", tags)

    def _find(self, key: str, tags: Sequence[str]) -> bytes | None:
        marks = []
        for tag in tags:
            if (mark := self._peek(f"mark {tag}")) is None:
                return None
            marks.append(mark)
        kept: bytes | None = self._peek(_name(key, marks))
        return kept

    def _peek(self, name: str) -> Any:
        """As `Memory.get`, but for the coroutines: each request comes by here."""
        store = self._near.store
        until, value = store.get(name, NOTHING)
        if until is None or until <= time.time():
            return None
        store.move_to_end(name)
        return value

    def _load_together(self, question: _Question) -> asyncio.Task[bytes]:
        task, _tags = self._loads.get(question.key, (None, None))
        if task is None:
            task = asyncio.create_task(self._look_further(question))
            self._loads[question.key] = task, frozenset(question.tags)
            task.add_done_callback(lambda done: self._end(question.key, done))
        return task

    def _end(self, key: str, task: asyncio.Task[bytes]) -> None:
        if self._loads.get(key, (None, None))[0] is task:
            del self._loads[key]
        if not task.cancelled():
            task.exception()  # else asyncio complains of it when all who asked have hung up

    async def _look_further(self, question: _Question) -> bytes:
        if not (question.unheard or self._hears):
            return (await _load(question)).value
        try:
            marks = await self._marks(question.tags)
        except RedisAway:
            return (await _load(question)).value
        name, load, shared = _name(question.key, marks), partial(_load, question), self._within_reach
        kept = await (load() if shared is None else shared.get_or_load(sha256(name.encode()).hexdigest(), load))
        left = min(kept.until - time.time(), question.seconds)
        if left > 0 and (question.unheard or self._hears):
            await self._near.set(name, kept.value, expire=left)
        return kept.value

    async def _marks(self, tags: Sequence[str]) -> list[str]:
        """The marks of tags, as this process knows them or learns them now."""
        known = {tag: mark for tag in tags if (mark := self._peek(f"mark {tag}")) is not None}
        unknown = [tag for tag in tags if tag not in known]
        renewed, losses = set[str](), self._losses
        self._looks.append(renewed)
        try:
            shared = self._within_reach
            learnt = [new_mark() for _ in unknown] if shared is None else await shared.marks(unknown)
        finally:
            self._looks.remove(renewed)
        for tag, mark in zip(unknown, learnt, strict=True):
            known[tag] = mark
            if tag not in renewed and losses == self._losses:
                await self._near.set(f"mark {tag}", mark, expire=LONGEST_SECONDS)
        return [known[tag] for tag in tags]

    def _forget(self, tags: Sequence[str]) -> None:
        for tag in tags:
            self._near.store.pop(f"mark {tag}", None)
        for renewed in self._looks:
            renewed.update(tags)
        # Whoever asks from now on must not be shown what was read before.
        for key in [key for key, (_task, of) in self._loads.items() if not of.isdisjoint(tags)]:
            del self._loads[key]

    def _forget_all(self) -> None:
        self._losses += 1
        self._near.store.clear()
        self._loads.clear()

    def _hear(self, notice: bytes) -> None:
        self._forget(json.loads(notice))

    async def _return(self) -> None:
        """Redis is back: what was learnt without it goes by marks that nobody else knows."""
        self._forget_all()
        await self._settle()

    async def _settle(self) -> None:
        """Tell everybody what has been invalidated."""
        assert self._shared is not None
        owed = dict(self._owed)
        if not owed:
            return
        await self._shared.renew(list(owed))
        for tag, debt in owed.items():
            if self._owed.get(tag) is debt:  # not a newer one
                del self._owed[tag]


def forget_after(session: RlsSession, *tags: str) -> None:
    """`Cache.invalidate_after`, for those who are given a session and no more, such as jobs."""
    cache: Cache | None = session.info.get("cache")
    if cache is not None:
        cache.invalidate_after(session, *tags)


async def _load(question: _Question) -> Kept:
    CACHE_LOADS.inc()
    until = time.time() + question.seconds
    return Kept(until, await question.load())


def _name(key: str, marks: Sequence[str]) -> str:
    return " ".join(("value", *marks, key))


def _digest(identity: Identity) -> str:
    """What tells one caller's view from another's: the role, and every claim that a policy may go by."""
    claims = json.loads(identity.claims or "{}")
    lasting = {name: claims[name] for name in sorted(claims) if name not in FLEETING_CLAIMS}
    return sha256(f"{identity.role} {json.dumps(lasting, sort_keys=True)}".encode()).hexdigest()
