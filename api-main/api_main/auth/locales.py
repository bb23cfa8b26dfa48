"""The caller's language, where the request does not say."""

import json

import psycopg
from fastapi import Request
from sqlalchemy.exc import DBAPIError

from api_main.auth import profiles
from api_main.auth.principal import Principal
from api_main.core.errors import ApiError


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
    locale: str = profile["locale"]
    return locale
