"""The language of an account, for what the request does not say it of."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import psycopg
from fastapi import Request
from sqlalchemy.exc import DBAPIError

from api_main.auth import profiles
from api_main.auth.principal import Principal, claims_for_postgres
from api_main.core.database import Database
from api_main.core.errors import ApiError
from api_main.core.i18n import reader_language
from api_main.core.prelude import Identity, Query

OWNERS_ROLE = "authenticated"
OWN_LOCALE = Query("select locale from public.profiles where id = (select auth.uid())")


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
    state = request.app.state
    try:
        profile = json.loads(await profiles.read_own(state.cache, state.database, principal))
    except (ApiError, psycopg.Error, DBAPIError):  # the error that is being answered matters more
        return None
    locale: str | None = profile["locale"]
    return locale


async def language_for(database: Database, user_id: UUID, metadata: Mapping[str, Any]) -> str:
    """The language of mail to an account: its profile's, else its metadata's, else that of the present request."""
    chosen = await _chosen(database, user_id)
    named = metadata.get("locale")
    return reader_language(chosen or (named if isinstance(named, str) else None))


async def _chosen(database: Database, user_id: UUID) -> str | None:
    """Read as the account itself, which sees its own profile and nothing else."""
    claims = claims_for_postgres({"sub": str(user_id), "role": OWNERS_ROLE})
    (rows,) = await database.reader(Identity(OWNERS_ROLE, claims)).fetch(OWN_LOCALE)
    locale = rows[0][0] if rows else None
    return None if locale is None else locale.decode()
