"""The caller's language, where the request does not say."""

import psycopg
from fastapi import Request

from api_main.auth.principal import Principal
from api_main.core.cache import Cache
from api_main.core.database import Database
from api_main.core.prelude import Query

SECONDS = 300  # that a profile's locale is remembered
OWN_LOCALE = Query("select locale from public.profiles where id = (select auth.uid())", ())


def tag_of(subject: object) -> str:
    """What is to be invalidated when somebody's locale changes."""
    return f"locale {subject}"


async def locale_of(request: Request, may_ask: bool) -> str | None:
    """The `locale` in the token's user metadata, else the profile's: cached, and only where it may be asked for."""
    principal: Principal | None = request.scope["state"].get("principal")
    if principal is None:
        return None
    metadata = principal.claims.get("user_metadata")
    named = metadata.get("locale") if isinstance(metadata, dict) else None
    if isinstance(named, str):
        return named
    return await _of_profile(request, principal) if may_ask else None


async def _of_profile(request: Request, principal: Principal) -> str | None:
    database: Database = request.app.state.database
    cache: Cache = request.app.state.cache

    async def load() -> bytes:
        (rows,) = await database.reader(principal.identity).fetch(OWN_LOCALE)
        return (rows[0][0] or b"") if rows else b""

    try:
        kept = await cache.get_or_load(
            "locale", SECONDS, load, whose=principal.identity, tags=[tag_of(principal.subject)]
        )
    except psycopg.Error:  # the error that is being answered matters more
        return None
    return kept.decode() or None
