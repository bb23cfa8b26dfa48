"""Connections that stay open: whether whoever opened them may still go on."""

import time

from starlette.datastructures import State

from api_main.auth.dependencies import verify
from api_main.auth.errors import TokenExpired
from api_main.auth.principal import Principal
from api_main.auth.revocation import Revocations


async def look_again(state: State, token: str) -> Principal:
    """The principal of a token that was good before: it may have expired, been revoked, or lost its session.

    Raises:
        InvalidToken, KeysUnavailable
        psycopg.Error: the database is away.
    """
    principal = await verify(state, token)
    revocations: Revocations = state.revocations
    await revocations.check(principal)
    if principal.expires_at <= time.time():  # a verifier allows for clocks that differ: not here
        raise TokenExpired
    return principal
