"""`/api/v1/tokens`: for people, in a session of their own; a token cannot make another."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, status

from api_main.auth.dependencies import LIVE, CurrentSession, LivePrincipal
from api_main.auth.errors import ApiTokenNotFound
from api_main.auth.personal_tokens import service
from api_main.auth.personal_tokens.schemas import TokenCreated, TokenForm, TokenRead
from api_main.core.database import RlsSession
from api_main.core.envelope import Success
from api_main.core.errors import ValidationFailed
from api_main.core.openapi import BODY, errors
from api_main.idempotency.errors import KEY_ERRORS
from api_main.idempotency.route import REPLAYED_HEADER, IdempotentRoute, creation_for, require_unguessable_key

router = APIRouter(prefix="/tokens", tags=["tokens"], route_class=IdempotentRoute)

TokenCreation = Annotated[RlsSession, creation_for()]


@router.get("", summary="List the caller's personal access tokens", responses=errors(*LIVE))
async def list_tokens(_principal: LivePrincipal, session: CurrentSession) -> Success[list[TokenRead]]:
    return Success(data=await service.list_all(session))


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    summary="Create a personal access token",
    responses={**errors(*LIVE, *BODY, *KEY_ERRORS), 201: {"headers": REPLAYED_HEADER}},
    dependencies=[Depends(require_unguessable_key)],
)
async def create_token(form: TokenForm, principal: LivePrincipal, session: TokenCreation) -> Success[TokenCreated]:
    return Success(data=await service.create(session, principal, form))


@router.delete(
    "/{token_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Revoke a personal access token",
    responses=errors(*LIVE, ValidationFailed, ApiTokenNotFound),
)
async def revoke_token(token_id: UUID, principal: LivePrincipal, session: CurrentSession) -> None:
    await service.revoke(session, principal, token_id)
