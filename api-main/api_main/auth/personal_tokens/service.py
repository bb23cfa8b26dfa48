"""Make, list and revoke personal access tokens."""

import secrets
from uuid import UUID

from api_main.auth.errors import ApiTokenNotFound
from api_main.auth.events import SecurityEvent, record
from api_main.auth.personal_tokens import repository
from api_main.auth.personal_tokens.models import ApiToken
from api_main.auth.personal_tokens.schemas import TokenCreated, TokenForm, TokenRead
from api_main.auth.personal_tokens.verifier import PREFIX, digest_of
from api_main.auth.principal import Principal
from api_main.core.database import RlsSession

SECRET_BYTES = 32
HINT_LENGTH = 4


async def create(session: RlsSession, principal: Principal, form: TokenForm) -> TokenCreated:
    """A new token. This is the only time that its text is known."""
    text = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    columns = {**form.model_dump(), "hint": text[-HINT_LENGTH:], "digest": digest_of(text)}
    token = ApiToken(**columns)
    await repository.add(session, token)
    record(SecurityEvent.API_TOKEN_CREATED, subject=principal.subject, token_id=str(token.id), scopes=form.scopes)
    return TokenCreated(**TokenRead.model_validate(token).model_dump(), token=text)


async def list_all(session: RlsSession) -> list[TokenRead]:
    return [TokenRead.model_validate(token) for token in await repository.list_all(session)]


async def revoke(session: RlsSession, principal: Principal, token_id: UUID) -> None:
    """Raises: ApiTokenNotFound, for another's as well."""
    if not await repository.remove(session, token_id):
        raise ApiTokenNotFound
    record(SecurityEvent.API_TOKEN_REVOKED, subject=principal.subject, token_id=str(token_id))
