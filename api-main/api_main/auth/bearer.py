"""The bearer token of a request (RFC 6750, section 2.1): read in one place, and by the shortest way."""

from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPBearer
from starlette.requests import HTTPConnection
from starlette.types import Scope

from api_main.core.raw_headers import first

AUTHORIZATION = b"authorization"
SCHEME = b"bearer "


def bearer_token(scope: Scope) -> str | None:
    """What follows `Bearer` in the header `Authorization`, if anything does. Whose it is, nobody has looked at yet."""
    value = first(scope["headers"], AUTHORIZATION)
    if value is None or value[: len(SCHEME)].lower() != SCHEME:
        return None
    return value[len(SCHEME) :].strip().decode("latin-1") or None


class _Bearer(HTTPBearer):
    async def __call__(self, request: HTTPConnection) -> str | None:  # type: ignore[override]
        return bearer_token(request.scope)


BearerToken = Annotated[
    str | None,
    Depends(
        _Bearer(
            scheme_name="HTTPBearer",
            bearerFormat="JWT",
            description="An access token of this API, of Supabase Auth or of a trusted issuer",
        )
    ),
]
"""The same for a route, whose documentation says that it wants one."""
