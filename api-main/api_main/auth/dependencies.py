"""What a route asks for: who is calling, and the database as they may see it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from ipaddress import ip_address
from typing import Annotated, Any

from fastapi import Depends, Request, params
from fastapi.security import SecurityScopes
from starlette.datastructures import State

from api_main.auth import repository
from api_main.auth.account_service import AccountService, Caller
from api_main.auth.bearer import BearerToken
from api_main.auth.errors import (
    InsufficientScope,
    InvalidToken,
    KeysUnavailable,
    RoleNotAllowed,
    SessionEnded,
    TokenExpired,
)
from api_main.auth.events import SecurityEvent, record
from api_main.auth.personal_tokens.verifier import PREFIX, PersonalTokenVerifier
from api_main.auth.principal import Principal
from api_main.auth.revocation import Revocations, StrictReader
from api_main.auth.scopes import Scope
from api_main.auth.service import Accounts
from api_main.auth.sessions import Device
from api_main.auth.verifier import TokenVerifier
from api_main.core.cache import Cache
from api_main.core.database import Database, RlsReader, RlsSession
from api_main.core.errors import PermissionDenied, Unauthenticated
from api_main.core.resources import resource
from api_main.core.settings import Settings
from api_main.core.timings import AUTH, Step, tell_caller

CALLER = (
    Unauthenticated,
    InvalidToken,
    TokenExpired,
    RoleNotAllowed,
    PermissionDenied,
    InsufficientScope,
    SessionEnded,
    KeysUnavailable,
)
"""What any route that needs a caller may answer."""

LIVE = CALLER
"""What any route that needs a live session may answer."""

MAX_AGENT_LENGTH = 512

CurrentSettings = Annotated[Settings, resource("settings")]
CurrentDatabase = Annotated[Database, resource("database")]
CurrentCache = Annotated[Cache, resource("cache")]
CurrentRevocations = Annotated[Revocations, resource("revocations")]
CurrentAccounts = Annotated[Accounts, resource("accounts")]
CurrentAccountService = Annotated[AccountService, resource("account_service")]
"""The accounts, whoever keeps them."""


async def verify(state: State, token: str) -> Principal:
    """The principal of a token of any kind.

    Raises:
        InvalidToken, KeysUnavailable
    """
    verifier: TokenVerifier | PersonalTokenVerifier
    verifier = state.personal_token_verifier if token.startswith(PREFIX) else state.verifier
    try:
        return await verifier.verify(token)
    except InvalidToken as refused:
        record(SecurityEvent.TOKEN_REFUSED, reason=refused.code)
        raise


async def get_verified_principal(request: Request, needed: SecurityScopes, token: BearerToken) -> Principal:
    if token is None:
        raise Unauthenticated
    with Step(AUTH):
        principal = await verify(request.app.state, token)
    tell_caller()
    # A route that names no scope is beyond every personal token.
    if principal.scopes is not None and not (needed.scopes and principal.scopes.issuperset(needed.scopes)):
        raise InsufficientScope(needed.scopes)
    request.scope["state"]["principal"] = principal
    return principal


VerifiedPrincipal = Annotated[Principal, Depends(get_verified_principal)]
"""Who the token says is calling, whatever has become of the session since."""


async def get_principal(request: Request, principal: VerifiedPrincipal) -> Principal:
    revocations: Revocations = request.app.state.revocations
    await revocations.check(principal)
    return principal


CurrentPrincipal = Annotated[Principal, Depends(get_principal)]
"""The verified caller; a 401 without one. A session that ended is refused within `REVOCATION_SECONDS`."""


async def get_superuser(request: Request, principal: CurrentPrincipal) -> Principal:
    database: Database = request.app.state.database
    if not await repository.is_superuser(database.reader(principal.identity)):
        raise PermissionDenied
    return principal


def superuser_for(*scopes: Scope) -> params.Security:
    """A caller who is a superuser at this moment, in person or by a personal token with these scopes."""
    return params.Security(get_superuser, scopes=scopes)


async def get_session(request: Request, principal: CurrentPrincipal) -> AsyncIterator[RlsSession]:
    database: Database = request.app.state.database
    async with database.session(principal.identity) as session:
        yield session


def session_for(*scopes: Scope, get: Callable[..., Any] = get_session) -> params.Security:
    """The caller's transaction, for personal tokens with these scopes as well; `get` may do more with it.

    It commits when the route returns, before the answer is sent: a commit that fails must become a 5xx.
    """
    return params.Security(dependency=get, scope="function", scopes=scopes)


CurrentSession = Annotated[RlsSession, session_for()]
"""The caller's transaction, for those who signed in."""


async def get_reader(request: Request, principal: VerifiedPrincipal) -> RlsReader:
    database: Database = request.app.state.database
    revocations: Revocations = request.app.state.revocations
    if revocations.strict and revocations.covers(principal):
        return database.reader(principal.identity, StrictReader)
    await revocations.check(principal)
    return database.reader(principal.identity)


def reader_for(*scopes: Scope) -> params.Security:
    """Fast reads as the caller, for personal tokens with these scopes as well."""
    return params.Security(get_reader, scopes=scopes)


CurrentReader = Annotated[RlsReader, reader_for()]
"""Fast reads as the caller, for those who signed in."""


RenewReader = Callable[[], Awaitable[RlsReader]]


async def get_renewed_reader(request: Request, needed: SecurityScopes, token: BearerToken) -> RenewReader:
    async def renew() -> RlsReader:
        return await get_reader(request, await get_verified_principal(request, needed, token))

    return renew


def renewed_reader_for(*scopes: Scope) -> params.Security:
    """A reader for each part of a long answer, whose token and session are looked at again each time.

    Raises:
        ApiError: when it is called, whatever a request with this token would be answered then.
    """
    return params.Security(get_renewed_reader, scopes=scopes)


async def get_live_principal(request: Request, principal: VerifiedPrincipal) -> Principal:
    # A read of its own: a transaction left open here would keep a connection from the work that follows.
    revocations: Revocations = request.app.state.revocations
    await revocations.check_now(principal)
    return principal


LivePrincipal = Annotated[Principal, Depends(get_live_principal)]
"""The caller, whose session and account were looked up this very moment."""


async def get_device(request: Request) -> Device:
    agent = request.headers.get("user-agent")
    return Device(_network_address(request.client.host if request.client else ""), agent and agent[:MAX_AGENT_LENGTH])


CurrentDevice = Annotated[Device, Depends(get_device)]


async def get_live_caller(principal: LivePrincipal, token: BearerToken, device: CurrentDevice) -> Caller:
    assert token is not None  # or there would be no principal
    return Caller(principal, token, device)


LiveCaller = Annotated[Caller, Depends(get_live_caller)]
"""As `LivePrincipal`, with the token itself: another service must be told who is asking."""


def _network_address(host: str) -> str | None:
    """The address as Postgres' `inet` takes it: without a zone. On a Unix socket there is none."""
    try:
        return str(ip_address(host.partition("%")[0]))
    except ValueError:
        return None
