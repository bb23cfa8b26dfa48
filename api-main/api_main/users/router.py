"""`/api/v1/users`: accounts, for superusers."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response, status

from api_main.auth.dependencies import CALLER, CurrentSettings
from api_main.auth.errors import AuthUnavailable, EmailTaken, UsernameTaken, UserNotFound, WeakPassword
from api_main.core.envelope import Page, Success
from api_main.core.errors import InvalidCursor, TooManyRequests, ValidationFailed
from api_main.core.limits.declarations import shared_limit
from api_main.core.openapi import BODY, LOCATION, errors
from api_main.idempotency.errors import KEY_ERRORS
from api_main.idempotency.route import REPLAYED_HEADER, IdempotentRoute
from api_main.jobs import service as jobs
from api_main.jobs.errors import TooManyJobs
from api_main.jobs.schemas import JobRead
from api_main.users import bulk, service
from api_main.users.dependencies import (
    CurrentKeeper,
    ReadingSuperuser,
    UserCreation,
    UserReader,
    UserSession,
    WritingSuperuser,
)
from api_main.users.errors import AdministrationUnavailable, LastSuperuser, SealingUnavailable
from api_main.users.schemas import MOST_IN_A_REQUEST, UserBulk, UserChange, UserCreate, UserListQuery, UserRead

router = APIRouter(prefix="/users", tags=["users"], route_class=IdempotentRoute)

# What the keeper of the accounts may answer to any change.
KEEPER = (TooManyRequests, AuthUnavailable, AdministrationUnavailable)
NEW = (*CALLER, *BODY, *KEEPER, EmailTaken, UsernameTaken, WeakPassword)
CHANGE_ERRORS = errors(*NEW, UserNotFound, LastSuperuser)


@router.get(
    "",
    summary="List accounts",
    response_model=Page[UserRead],
    responses=errors(*CALLER, ValidationFailed, InvalidCursor),
)
async def list_users(
    wanted: Annotated[UserListQuery, Query()], _superuser: ReadingSuperuser, reader: UserReader
) -> Response:
    return Response(await service.list_page(reader, wanted), media_type="application/json")


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    summary="Create an account",
    responses={**errors(*NEW, *KEY_ERRORS), 201: {"headers": LOCATION | REPLAYED_HEADER}},
)
async def create_user(
    form: UserCreate,
    superuser: WritingSuperuser,
    session: UserCreation,
    keeper: CurrentKeeper,
    settings: CurrentSettings,
    request: Request,
    response: Response,
) -> Success[UserRead]:
    [user] = await service.create(session, keeper, superuser.identity, [form], settings)
    response.headers["Location"] = str(request.url_for("get_user", user_id=user.id).path)
    return Success(data=user)


@router.post(
    "/bulk",
    status_code=status.HTTP_201_CREATED,
    summary="Create up to 1,000 accounts, all or none",
    description="Up to 50 are made at once. More become a job, whose file lists the accounts that it has made.",
    response_model=Success[list[UserRead]],
    responses={
        **errors(*NEW, *KEY_ERRORS, TooManyJobs, SealingUnavailable),
        201: {"headers": REPLAYED_HEADER},
        202: {
            "model": Success[JobRead],
            "description": "More than 50: queued",
            "headers": LOCATION | REPLAYED_HEADER,
        },
    },
)
@shared_limit("20/minute", scope="bulk")
async def create_users(
    form: UserBulk,
    superuser: WritingSuperuser,
    session: UserCreation,
    keeper: CurrentKeeper,
    settings: CurrentSettings,
    request: Request,
) -> Success[list[UserRead]] | Response:
    await service.check_passwords(form.users, settings)
    await service.check_names(session, form.users)
    if len(form.users) <= MOST_IN_A_REQUEST:
        return Success(data=await service.create(session, keeper, superuser.identity, form.users, settings))
    sealed = await bulk.pack(form.users, settings)
    about = {"accounts": len(form.users)}
    job = await jobs.enqueue(session, superuser, bulk.KIND, about, jobs.NORMAL_PRIORITY, sealed, settings)
    return Response(
        Success(data=job).model_dump_json(),
        status.HTTP_202_ACCEPTED,
        {"Location": str(request.url_for("get_job", job_id=job.id).path)},
        media_type="application/json",
    )


@router.get(
    "/{user_id}",
    summary="Read an account",
    response_model=Success[UserRead],
    responses=errors(*CALLER, ValidationFailed, UserNotFound),
)
async def get_user(user_id: UUID, _superuser: ReadingSuperuser, reader: UserReader) -> Response:
    return Response(await service.read(reader, user_id), media_type="application/json")


@router.patch("/{user_id}", summary="Change an account", responses=CHANGE_ERRORS)
async def change_user(
    user_id: UUID,
    form: UserChange,
    superuser: WritingSuperuser,
    session: UserSession,
    keeper: CurrentKeeper,
    settings: CurrentSettings,
) -> Success[UserRead]:
    return Success(data=await service.change(session, keeper, superuser.identity, user_id, form, settings))


@router.post(
    "/{user_id}/deactivate",
    summary="Switch an account off",
    description="It can no longer sign in, and its sessions end. `PATCH` with `is_active` switches it on again.",
    responses=errors(*CALLER, *KEEPER, ValidationFailed, UserNotFound, LastSuperuser),
)
async def deactivate_user(
    user_id: UUID,
    superuser: WritingSuperuser,
    session: UserSession,
    keeper: CurrentKeeper,
    settings: CurrentSettings,
) -> Success[UserRead]:
    off = UserChange(is_active=False)
    return Success(data=await service.change(session, keeper, superuser.identity, user_id, off, settings))


@router.delete(
    "/{user_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Delete an account",
    responses=errors(*CALLER, *KEEPER, ValidationFailed, UserNotFound, LastSuperuser),
)
async def delete_user(
    user_id: UUID,
    superuser: WritingSuperuser,
    session: UserSession,
    keeper: CurrentKeeper,
    soft: Annotated[bool, Query(description="Keep its tasks and its id, and forget the person")] = False,
) -> None:
    await service.delete(session, keeper, superuser.identity, user_id, soft=soft)
