"""`/auth/v1`: links and codes by mail. Every request for one is answered alike, and at once; the mail comes after."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse, RedirectResponse

from api_main.auth import pkce
from api_main.auth.afterwards import Later
from api_main.auth.dependencies import CurrentAccounts, CurrentDevice
from api_main.auth.links import Destination, EmailLinks, LinkType
from api_main.auth.one_time_tokens import TokenKind
from api_main.auth.protocol import disabled
from api_main.auth.protocol.dependencies import Caller, Changes, Links, Redeeming, RedirectTo, check_key
from api_main.auth.protocol.errors import OtpDisabled, ProtocolError, Words, words_for
from api_main.auth.protocol.json_route import JsonRoute
from api_main.auth.protocol.schemas import EmailForm, OtpForm, ResendForm, VerifyForm
from api_main.auth.redemption import Redemption
from api_main.auth.redirects import with_fragment, with_query
from api_main.auth.service import Accounts
from api_main.auth.sessions import Device
from api_main.auth.user_object import Tokens
from api_main.core.errors import ApiError
from api_main.core.i18n import _, say
from api_main.core.limits.declarations import shared_limit

router = APIRouter(prefix="/auth/v1", dependencies=[Depends(check_key)], route_class=JsonRoute)

ACCEPTED = _("Confirmation link accepted. Please proceed to confirm link sent to the other email")
EMAIL_MISSING = Words(400, "validation_failed", "One of email or phone must be set")
NO_EMAIL = Words(422, "validation_failed", "Reauthentication requires the user to have an email or a phone number")
RESEND_TYPE = Words(400, "validation_failed", "Missing one of these types: signup, email_change, sms, phone_change")
VERIFY_TYPE = Words(400, "validation_failed", "Invalid email verification type")
VERIFY_TOKEN = Words(400, "validation_failed", "Verify requires a token or a token hash")
OAUTH_ERRORS = {400: "invalid_request", 401: "unauthorized_client", 403: "access_denied", 500: "server_error"}


@router.post("/recover")
@shared_limit("20/hour", scope="mail")
async def recover(form: EmailForm, links: Links, redirect_to: RedirectTo, later: Later) -> dict[str, Any]:
    later.do(links.send, LinkType.RECOVERY, _email(form), Destination(redirect_to, form.challenge))
    return {}


@router.post("/otp")
@router.post("/magiclink")
@shared_limit("20/hour", scope="mail")
async def send_magic_link(
    form: OtpForm, accounts: CurrentAccounts, links: Links, redirect_to: RedirectTo, later: Later
) -> dict[str, Any]:
    email = _email(form)
    if not form.create_user and not await accounts.exists(email):
        raise OtpDisabled  # as Supabase Auth says it, to those who ask in this way
    later.do(_send_magic_link, accounts, links, form, email, Destination(redirect_to, form.challenge))
    return {}


@router.post("/resend")
@shared_limit("20/hour", scope="mail")
async def resend(form: ResendForm, links: Links, redirect_to: RedirectTo, later: Later) -> dict[str, Any]:
    email, to = _email(form), Destination(redirect_to, form.challenge)
    match form.type:
        case "signup":
            later.do(links.send, LinkType.SIGNUP, email, to)
        case "email_change":
            later.do(links.resend_email_change, email, to)
        case "sms" | "phone_change":
            raise ProtocolError(disabled.PHONE)
        case _:
            raise ProtocolError(RESEND_TYPE)
    return {}


@router.get("/reauthenticate")
@shared_limit("20/hour", scope="mail")
async def reauthenticate(caller: Caller, changes: Changes, links: Links, later: Later) -> dict[str, Any]:
    if not (await changes.read(caller)).email:
        raise ProtocolError(NO_EMAIL)
    await links.require_due(caller.subject, TokenKind.REAUTHENTICATION)
    later.do(links.send_reauthentication, caller.subject)
    return {}


@router.post("/verify", response_model=Tokens)
@shared_limit("30/hour", scope="verify")
async def verify(form: VerifyForm, redemption: Redeeming, device: CurrentDevice) -> Tokens | JSONResponse:
    if form.phone:
        raise ProtocolError(disabled.PHONE)
    kind = _link_type(form.type)
    if form.token_hash:
        tokens = await redemption.redeem(kind, form.token_hash, device)
    elif form.token and form.email is not None:
        tokens = await redemption.redeem_code(kind, form.email, form.token, device)
    else:
        raise ProtocolError(VERIFY_TOKEN)
    return tokens or JSONResponse({"msg": say(ACCEPTED), "code": "200"})


@router.get("/verify")
@shared_limit("30/hour", scope="verify")
async def follow_link(
    redemption: Redeeming,
    device: CurrentDevice,
    redirect_to: RedirectTo,
    token: Annotated[str, Query()] = "",
    kind: Annotated[str, Query(alias="type")] = "",
) -> RedirectResponse:
    """A link in a mail: on to the site, with a session, a code (PKCE), or the reason why not."""
    is_pkce = token.startswith(pkce.PREFIX)
    try:
        follow = _follow_to_code(redemption, kind, token) if is_pkce else _follow(redemption, kind, token, device)
        outcome = await follow
    except ApiError as error:
        outcome = _reason(error)
    to = with_query(redirect_to, outcome) if is_pkce else redirect_to
    # Whoever reads only one of the two finds out all the same; but a code is for the server alone.
    return RedirectResponse(to if "code" in outcome else with_fragment(to, outcome), status_code=303)


async def _follow(redemption: Redemption, kind: str, token: str, device: Device) -> dict[str, Any]:
    tokens = await redemption.redeem(_link_type(kind), token, device)
    if tokens is None:
        return {"message": say(ACCEPTED)}
    session = tokens.model_dump(include={"access_token", "expires_at", "expires_in", "refresh_token", "token_type"})
    return {**session, "type": kind}


async def _follow_to_code(redemption: Redemption, kind: str, token: str) -> dict[str, Any]:
    code = await redemption.redeem_for_code(_link_type(kind), token)
    return {"message": say(ACCEPTED)} if code is None else {"code": code}


async def _send_magic_link(accounts: Accounts, links: EmailLinks, form: OtpForm, email: str, to: Destination) -> None:
    if form.create_user:
        await accounts.add_without_password(email, form.data or {})
    await links.send(LinkType.MAGIC_LINK, email, to)


def _email(form: EmailForm) -> str:
    if form.phone:
        raise ProtocolError(disabled.PHONE)
    if form.email is None:
        raise ProtocolError(EMAIL_MISSING)
    return form.email


def _link_type(text: str) -> LinkType:
    try:
        return LinkType(text)
    except ValueError:
        raise ProtocolError(VERIFY_TYPE) from None


def _reason(error: ApiError) -> dict[str, str]:
    words = words_for(error)
    return {
        "error": OAUTH_ERRORS.get(words.status, "server_error"),
        "error_code": words.code,
        "error_description": say(words.message or error.message, instead=type(error).message),
    }
