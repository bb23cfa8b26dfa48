"""Who calls `/auth/v1`: a key says which project is meant, a token says which user."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import Depends, Header, Query, Request

from api_main.auth.account_changes import AccountChanges
from api_main.auth.admin_links import AdminLinks
from api_main.auth.administration import Administration
from api_main.auth.api_keys import ApiKeys, KeyKind
from api_main.auth.bearer import BearerToken
from api_main.auth.dependencies import CurrentAccounts
from api_main.auth.errors import InvalidToken, SessionEnded
from api_main.auth.events import SecurityEvent, record
from api_main.auth.issuers import own_issuer_name
from api_main.auth.links import EmailLinks
from api_main.auth.principal import Principal
from api_main.auth.protocol.errors import CallerBanned, CallerNotFound, NotAdmin, ProtocolError, Words
from api_main.auth.redemption import Redemption
from api_main.auth.redirects import Redirects
from api_main.auth.service import Accounts
from api_main.auth.sessions import SessionState
from api_main.auth.verifier import TokenVerifier
from api_main.core.errors import ApiError, Unauthenticated
from api_main.core.resources import resource

INVALID_KEY = Words(401, "no_authorization", "Invalid API key")
NO_SUBJECT = Words(403, "bad_jwt", "invalid claim: missing sub claim")

REFUSALS: Mapping[SessionState, type[ApiError]] = {
    SessionState.NO_USER: CallerNotFound,
    SessionState.NO_SESSION: SessionEnded,
    SessionState.BANNED: CallerBanned,
}


async def check_key(request: Request, apikey: Annotated[str | None, Header()] = None) -> KeyKind | None:
    """The kind of the `apikey` header: none may be sent, but not a wrong one."""
    if not apikey:
        return None
    keys: ApiKeys = request.app.state.api_keys
    if kind := keys.kind(apikey):
        return kind
    if await _is_service_token(request, apikey):
        return KeyKind.SECRET
    raise ProtocolError(INVALID_KEY)


async def get_caller(request: Request, token: BearerToken, accounts: CurrentAccounts) -> Principal:
    """The user of the bearer token, whose session and account are looked up at each call."""
    if token is None:
        raise Unauthenticated
    keys: ApiKeys = request.app.state.api_keys
    if keys.kind(token) is not None:
        raise ProtocolError(NO_SUBJECT)
    verifier: TokenVerifier = request.app.state.verifier
    try:
        principal = await verifier.verify(token)
    except InvalidToken as refused:
        record(SecurityEvent.TOKEN_REFUSED, reason=refused.code)
        raise
    request.scope["state"]["principal"] = principal
    if principal.issuer != own_issuer_name(request.app.state.settings):
        raise InvalidToken  # somebody else's word opens tasks, but no account of ours
    refusal = REFUSALS.get(await accounts.session_state(principal))
    if refusal is not None:
        raise refusal
    return principal


async def require_admin(
    request: Request, kind: Annotated[KeyKind | None, Depends(check_key)], token: BearerToken
) -> None:
    """Let in who holds a secret key, as `apikey` or as bearer, or a token of the role `service_role`."""
    keys: ApiKeys = request.app.state.api_keys
    if token is None and kind is None:
        raise Unauthenticated
    if KeyKind.SECRET in {kind, keys.kind(token or "")} or (token and await _is_service_token(request, token)):
        return
    raise NotAdmin


async def _is_service_token(request: Request, token: str) -> bool:
    verifier: TokenVerifier = request.app.state.service_verifier
    accounts: Accounts = request.app.state.accounts
    try:
        principal = await verifier.verify(token)
    except InvalidToken:
        return False
    # One that was signed by hand belongs to no session. An account's own ends like any other.
    return principal.session is None or await accounts.session_state(principal) is SessionState.LIVE


async def get_redirect(request: Request, redirect_to: Annotated[str | None, Query()] = None) -> str:
    redirects: Redirects = request.app.state.redirects
    return redirects.allowed(redirect_to)


Caller = Annotated[Principal, Depends(get_caller)]
RedirectTo = Annotated[str, Depends(get_redirect)]
Changes = Annotated[AccountChanges, resource("account_changes")]
Links = Annotated[EmailLinks, resource("links")]
Redeeming = Annotated[Redemption, resource("redemption")]
Admin = Annotated[Administration, resource("administration")]
LinksOfAdmin = Annotated[AdminLinks, resource("admin_links")]
