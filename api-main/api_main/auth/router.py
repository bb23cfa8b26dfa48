"""`/api/v1/auth`: accounts, and the caller's own profile."""

from hashlib import sha256
from typing import Annotated

from fastapi import APIRouter, Query, Response, status
from sqlalchemy.exc import IntegrityError

from api_main.auth import profiles, repository
from api_main.auth.afterwards import Later
from api_main.auth.dependencies import (
    LIVE,
    CurrentAccountService,
    CurrentCache,
    CurrentDatabase,
    CurrentDevice,
    CurrentRevocations,
    CurrentSession,
    LiveCaller,
    LivePrincipal,
)
from api_main.auth.errors import (
    AccountDisabled,
    AuthUnavailable,
    EmailNotConfirmed,
    EmailTaken,
    InvalidCredentials,
    InvalidRefreshToken,
    RefreshTokenReused,
    SamePassword,
    SessionExpired,
    SignUpDisabled,
    TooManyAttempts,
    UsernameTaken,
    WeakPassword,
    WrongPassword,
)
from api_main.auth.models import Profile
from api_main.auth.principal import Principal
from api_main.auth.repository import Scope
from api_main.auth.schemas import ChangePassword, Login, ProfileChange, ProfileRead, Refresh, Register
from api_main.auth.service import NewAccount
from api_main.auth.user_object import Tokens, UserObject
from api_main.core.database import RlsSession
from api_main.core.envelope import Success, success_body
from api_main.core.errors import NotFound, TooManyRequests, ValidationFailed
from api_main.core.limits.declarations import shared_limit
from api_main.core.openapi import BODY, NOT_MODIFIED, errors
from api_main.idempotency.errors import KEY_ERRORS
from api_main.idempotency.route import REPLAYED_HEADER, CurrentSignUp, IdempotentRoute

router = APIRouter(prefix="/auth", tags=["auth"], route_class=IdempotentRoute)

# What the keeper of the accounts may answer to anything: Supabase Auth has limits and outages of its own.
KEEPER = (TooManyRequests, AuthUnavailable)


@router.post(
    "/register",
    status_code=status.HTTP_201_CREATED,
    summary="Create an account, and sign in where e-mails need no confirmation",
    description="An `Idempotency-Key` is ignored where Supabase Auth keeps the accounts.",
    responses={
        **errors(*BODY, *KEEPER, *KEY_ERRORS, EmailTaken, WeakPassword, SignUpDisabled),
        201: {"headers": REPLAYED_HEADER},
    },
)
@shared_limit("10/hour", scope="sign_up")
async def register(
    form: Register, service: CurrentAccountService, device: CurrentDevice, later: Later, once: CurrentSignUp
) -> Success[Tokens | UserObject]:
    metadata = {"full_name": form.full_name} if form.full_name else {}
    account = NewAccount(form.email, form.password.get_secret_value(), metadata)
    return Success(data=await service.register(account, device, later, once))


@router.post(
    "/login",
    summary="Sign in with e-mail and password",
    responses=errors(*BODY, *KEEPER, InvalidCredentials, AccountDisabled, EmailNotConfirmed, TooManyAttempts),
)
async def login(form: Login, service: CurrentAccountService, device: CurrentDevice) -> Success[Tokens]:
    return Success(data=await service.sign_in(form.email, form.password.get_secret_value(), device))


@router.post(
    "/refresh",
    summary="Exchange a refresh token for new tokens",
    responses=errors(*BODY, *KEEPER, InvalidRefreshToken, RefreshTokenReused, SessionExpired),
)
async def refresh(form: Refresh, service: CurrentAccountService, device: CurrentDevice) -> Success[Tokens]:
    return Success(data=await service.refresh(form.refresh_token, device))


@router.post(
    "/logout",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="End sessions of the caller",
    responses=errors(*LIVE, *KEEPER, ValidationFailed),
)
async def logout(
    caller: LiveCaller,
    service: CurrentAccountService,
    revocations: CurrentRevocations,
    scope: Annotated[Scope, Query(description="This session, all of them, or all others")] = "local",
) -> None:
    await service.sign_out(caller, scope)
    await revocations.forget(caller.principal.subject)


@router.post(
    "/password",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Change the password and end all other sessions",
    responses=errors(*LIVE, *BODY, *KEEPER, WrongPassword, SamePassword, WeakPassword, TooManyAttempts),
)
async def change_password(form: ChangePassword, caller: LiveCaller, service: CurrentAccountService) -> None:
    await service.change_password(
        caller, current=form.current_password.get_secret_value(), new=form.new_password.get_secret_value()
    )


@router.get(
    "/me",
    summary="The caller's profile",
    response_model=Success[ProfileRead],
    responses={**errors(*LIVE, NotFound), **NOT_MODIFIED},
)
async def read_me(principal: LivePrincipal, cache: CurrentCache, database: CurrentDatabase) -> Response:
    profile = await profiles.read_own(cache, database, principal)
    tag = {"ETag": f'"{sha256(profile).hexdigest()[:32]}"'}
    return Response(success_body(profile), headers=tag, media_type="application/json")


@router.patch("/me", summary="Change the caller's profile", responses=errors(*LIVE, *BODY, NotFound, UsernameTaken))
async def change_me(change: ProfileChange, principal: LivePrincipal, session: CurrentSession) -> Success[ProfileRead]:
    profile = await _own_profile(principal, session)
    profile.sqlmodel_update(change.model_dump(exclude_unset=True))
    try:
        await session.flush()
    except IntegrityError as error:
        if not repository.breaks(error, repository.ONE_PROFILE_PER_USERNAME):
            raise
        raise UsernameTaken(field="username") from None
    await session.refresh(profile)
    return Success(data=ProfileRead.model_validate(profile))


async def _own_profile(principal: Principal, session: RlsSession) -> Profile:
    profile = await repository.get_profile(session, principal.subject)
    if profile is None:
        raise NotFound
    return profile
