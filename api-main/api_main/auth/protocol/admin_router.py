"""`/auth/v1/admin`: accounts, for those who hold a secret key."""

from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Query, Request, Response

from api_main.auth.admin_links import AdminLinks, LinkRequest, MadeLink
from api_main.auth.administration import AccountForm
from api_main.auth.errors import UserNotFound
from api_main.auth.links import LinkType
from api_main.auth.one_time_tokens import TokenKind
from api_main.auth.protocol.dependencies import Admin, LinksOfAdmin, RedirectTo, require_admin
from api_main.auth.protocol.errors import ProtocolError, Words
from api_main.auth.protocol.json_route import JsonRoute
from api_main.auth.protocol.schemas import AdminUserForm, DeleteForm, InviteForm, LinkForm, revealed
from api_main.auth.redirects import Redirects
from api_main.auth.schemas import Storable
from api_main.auth.user_object import UserObject

router = APIRouter(prefix="/auth/v1", dependencies=[Depends(require_admin)], route_class=JsonRoute)

NO_NEW_EMAIL = Words(400, "validation_failed", "A new email is required to change an email")
NO_EMAIL = Words(400, "validation_failed", "Cannot create a user without either an email or phone")


async def get_user_id(user_id: str) -> UUID:
    """An id that is no UUID is nobody's."""
    try:
        return UUID(user_id)
    except ValueError:
        raise UserNotFound from None


async def get_link_target(request: Request, form: LinkForm, redirect_to: RedirectTo) -> str:
    """Clients say it in the query or in the body."""
    redirects: Redirects = request.app.state.redirects
    return redirects.allowed(form.redirect_to) if form.redirect_to else redirect_to


UserId = Annotated[UUID, Depends(get_user_id)]
LinkTarget = Annotated[str, Depends(get_link_target)]
EMAIL_CHANGES = {
    "email_change_current": TokenKind.EMAIL_CHANGE_CURRENT,
    "email_change_new": TokenKind.EMAIL_CHANGE_NEW,
}


@router.get("/admin/users")
async def list_users(
    request: Request,
    response: Response,
    administration: Admin,
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    per_page: Annotated[int, Query(ge=1, le=1000)] = 50,
    words: Annotated[Storable, Query(alias="filter", max_length=255)] = "",
) -> dict[str, Any]:
    users, total = await administration.list(page=page, per_page=per_page, words=words)
    response.headers["X-Total-Count"] = str(total)
    response.headers["Link"] = _link_header(request.url.path, page, per_page, total)
    return {"users": users, "aud": "authenticated"}


@router.post("/admin/users")
async def create_user(form: AdminUserForm, administration: Admin) -> UserObject:
    if form.email is None:
        raise ProtocolError(NO_EMAIL)
    return await administration.create(_account_form(form))


@router.get("/admin/users/{user_id}")
async def read_user(user_id: UserId, administration: Admin) -> UserObject:
    return await administration.read(user_id)


@router.put("/admin/users/{user_id}")
async def change_user(user_id: UserId, form: AdminUserForm, administration: Admin) -> UserObject:
    return await administration.change(user_id, _account_form(form))


@router.delete("/admin/users/{user_id}")
async def delete_user(
    user_id: UserId, administration: Admin, form: Annotated[DeleteForm | None, Body()] = None
) -> dict[str, Any]:
    await administration.delete(user_id, soft=form is not None and form.should_soft_delete)
    return {}


@router.post("/admin/generate_link")
async def generate_link(form: LinkForm, links: LinksOfAdmin, redirect_to: LinkTarget) -> dict[str, Any]:
    made = await _make_link(form, links, redirect_to)
    return {
        **made.user.model_dump(mode="json"),
        "action_link": made.url,
        "email_otp": made.issued.code,
        "hashed_token": made.issued.link,
        "verification_type": made.kind if made.kind is not LinkType.EMAIL_CHANGE else form.type,
        "redirect_to": redirect_to,
    }


@router.post("/invite")
async def invite(form: InviteForm, links: LinksOfAdmin, redirect_to: RedirectTo) -> UserObject:
    return await links.invite(form.email, form.data or {}, redirect_to)


async def _make_link(form: LinkForm, links: AdminLinks, redirect_to: str) -> MadeLink:
    if form.type not in EMAIL_CHANGES:
        request = LinkRequest(form.email, redirect_to, revealed(form.password), form.data)
        return await links.make(LinkType(form.type), request)
    if form.new_email is None:
        raise ProtocolError(NO_NEW_EMAIL)
    return await links.make_email_change(EMAIL_CHANGES[form.type], form.email, form.new_email, redirect_to)


def _account_form(form: AdminUserForm) -> AccountForm:
    return AccountForm(
        **form.model_dump(exclude={"phone", "password"}),
        password=revealed(form.password),
    )


def _link_header(path: str, page: int, per_page: int, total: int) -> str:
    """The pages after this one (RFC 8288)."""
    last = max(1, -(-total // per_page))
    pages = {"next": page + 1, "last": last} if page < last else {"last": last}
    return ", ".join(
        f'<{path}?{urlencode({"page": number, "per_page": per_page})}>; rel="{name}"' for name, number in pages.items()
    )
