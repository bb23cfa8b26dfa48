"""The caller's own profile, out of the cache; and what has to be forgotten of an account when it changes."""

from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import event
from sqlmodel import Session

from api_main.auth import repository
from api_main.auth.models import AuthSession, Profile, User
from api_main.auth.principal import Principal
from api_main.auth.schemas import ProfileRead
from api_main.auth.tags import ACCOUNTS, profile_of, sessions_of
from api_main.core.cache import Cache
from api_main.core.database import Database, RlsSession
from api_main.core.errors import NotFound

SECONDS = 60.0  # that a change in the database's dashboard may take to be seen


async def read_own(cache: Cache, database: Database, principal: Principal) -> bytes:
    """The caller's `ProfileRead` as JSON.

    Raises:
        NotFound
    """

    async def load() -> bytes:
        async with database.session(principal.identity) as session:
            profile = await repository.get_profile(session, principal.subject)
        if profile is None:
            raise NotFound
        return ProfileRead.model_validate(profile).model_dump_json().encode()

    tags = [profile_of(principal.subject)]
    return await cache.get_or_load("profile", SECONDS, load, whose=principal.identity, tags=tags)


@event.listens_for(RlsSession.sync_session_class, "after_flush")
def _forget_changed_accounts(session: Session, _context: Any) -> None:
    """When an account, a profile or a session of theirs is written and committed, what is kept of it goes."""
    cache: Cache | None = session.info.get("cache")
    changed = {_owner(row) for rows in (session.new, session.dirty, session.deleted) for row in rows} - {None}
    if cache is None or not changed:
        return
    tags = [tag for owner in changed if owner is not None for tag in (profile_of(owner), sessions_of(owner))]
    if any(isinstance(row, User) for rows in (session.new, session.deleted) for row in rows):
        tags.append(ACCOUNTS)
    session.info.setdefault("after_commit", []).append(partial(cache.invalidate, *tags))


def _owner(row: object) -> UUID | None:
    match row:
        case User() | Profile():
            return row.id
        case AuthSession():
            return row.user_id
    return None
