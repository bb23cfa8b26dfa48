"""`/auth/v1`: sign up, sign in, refresh, sign out, the user."""

from typing import Annotated, Any, NoReturn

from fastapi import APIRouter, Depends, Query, Request, status

from api_main.auth import discovery
from api_main.auth.account_changes import AccountChange
from api_main.auth.afterwards import Later
from api_main.auth.dependencies import CurrentAccounts, CurrentDevice, CurrentRevocations
from api_main.auth.errors import EmailTaken, InvalidCredentials, InvalidRefreshToken
from api_main.auth.links import Destination, LinkType
from api_main.auth.protocol import admin_router, disabled, links_router
from api_main.auth.protocol.dependencies import Caller, Changes, Links, Redeeming, RedirectTo, check_key
from api_main.auth.protocol.errors import NotAdmin, ProtocolError, UnsupportedGrant, UserAlreadyExists, Words
from api_main.auth.protocol.json_route import JsonRoute
from api_main.auth.protocol.schemas import Credentials, SignUp, UserChange, revealed
from api_main.auth.protocol.unserved import route_besides
from api_main.auth.repository import Scope
from api_main.auth.service import NewAccount
from api_main.auth.user_object import Tokens, UserObject
from api_main.core.limits.declarations import shared_limit
from api_main.core.settings import Settings

router = APIRouter(prefix="/auth/v1", dependencies=[Depends(check_key)], route_class=JsonRoute)

CODE_MISSING = Words(400, "validation_failed", "invalid request: both auth code and code verifier should be non-empty")
PASSWORD_MISSING = Words(422, "validation_failed", "Signup requires a valid password")


@router.post("/signup")
@shared_limit("10/hour", scope="sign_up")
async def sign_up(
    form: SignUp,
    accounts: CurrentAccounts,
    device: CurrentDevice,
    links: Links,
    redirect_to: RedirectTo,
    later: Later,
) -> Tokens | UserObject:
    if form.phone:
        raise ProtocolError(disabled.PHONE_SIGN_UP)
    if form.email is None:
        return await accounts.sign_up_anonymously(form.data or {}, device)
    password = revealed(form.password)
    if not password:
        raise ProtocolError(PASSWORD_MISSING)
    try:
        answer = await accounts.sign_up(NewAccount(form.email, password, form.data or {}), device)
    except EmailTaken:
        raise UserAlreadyExists from None
    if isinstance(answer, UserObject):
        later.do(links.send, LinkType.SIGNUP, form.email, Destination(redirect_to, form.challenge))
    return answer


@router.post("/token")
async def issue_token(
    form: Credentials,
    accounts: CurrentAccounts,
    redemption: Redeeming,
    device: CurrentDevice,
    grant_type: Annotated[str, Query()] = "",
) -> Tokens:
    match grant_type:
        case "password" if form.phone:
            raise ProtocolError(disabled.PHONE_LOGIN)
        case "password":
            password = revealed(form.password)
            if not form.email or not password:
                raise InvalidCredentials
            return await accounts.sign_in(form.email, password, device)
        case "refresh_token":
            if not form.refresh_token:
                raise InvalidRefreshToken
            return await accounts.refresh(form.refresh_token)
        case "pkce":
            if not form.auth_code or not form.code_verifier:
                raise ProtocolError(CODE_MISSING)
            return await redemption.exchange(form.auth_code, form.code_verifier, device)
        case _ if grant_type in disabled.GRANTS:
            raise ProtocolError(disabled.GRANTS[grant_type])
        case _:
            raise UnsupportedGrant


@router.get("/user")
async def read_user(caller: Caller, changes: Changes) -> UserObject:
    return await changes.read(caller)


@router.put("/user")
async def change_user(
    form: UserChange, caller: Caller, changes: Changes, links: Links, redirect_to: RedirectTo, later: Later
) -> UserObject:
    if form.app_metadata is not None:
        raise NotAdmin("Updating app_metadata requires admin privileges")
    if form.phone:
        raise ProtocolError(disabled.PHONE)
    change = AccountChange(revealed(form.password), form.nonce, form.email, form.data)
    user = await changes.change(caller, change)
    if form.email is not None and user.new_email == form.email:
        later.do(links.send_email_change, user.id, Destination(redirect_to, form.challenge))
    return user


@router.post("/logout", status_code=status.HTTP_204_NO_CONTENT)
async def sign_out(
    caller: Caller,
    accounts: CurrentAccounts,
    revocations: CurrentRevocations,
    scope: Annotated[Scope, Query()] = "global",
) -> None:
    await accounts.sign_out(caller, scope)
    await revocations.forget(caller.subject)


@router.get("/settings")
async def read_settings(request: Request) -> dict[str, Any]:
    settings: Settings = request.app.state.settings
    return disabled.public_settings(settings)


@router.get("/health")
async def read_health(request: Request) -> dict[str, str]:
    """The name is that of the protocol, which clients look for; the version is our own."""
    return {
        "version": f"v{request.app.version}",
        "name": "GoTrue",
        "description": f"{request.app.title}, which speaks the protocol of Supabase Auth (GoTrue)",
    }


async def refuse(rest: str) -> NoReturn:
    """What Supabase Auth offers and we do not answers as there when it is switched off."""
    raise disabled.error_for(rest)


served = [route for part in (discovery, admin_router, links_router) for route in part.router.routes]
router.add_api_route(
    "/{rest:path}",
    refuse,
    methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
    response_model=None,
    route_class_override=route_besides([*served, *router.routes]),
)
