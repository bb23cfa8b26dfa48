"""`/auth/v1/.well-known/jwks.json`: where others find the keys that verify our tokens."""

from typing import Any

from fastapi import APIRouter, Request, Response

from api_main.auth.keys import FRESH_SECONDS
from api_main.core.openapi import NOT_MODIFIED, errors

router = APIRouter(prefix="/auth/v1", tags=["auth"])


@router.get(
    "/.well-known/jwks.json", summary="Our public keys, as a JWK set (RFC 7517)", responses={**errors(), **NOT_MODIFIED}
)
async def read_jwks(request: Request, response: Response) -> dict[str, Any]:
    response.headers["Cache-Control"] = f"public, max-age={FRESH_SECONDS:.0f}"
    jwks: dict[str, Any] = request.app.state.jwks
    return jwks
