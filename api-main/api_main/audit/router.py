"""`/api/v1/audit-log`: for superusers, to read."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api_main.audit import service
from api_main.audit.schemas import EntryQuery, EntryRead
from api_main.auth.dependencies import CALLER, reader_for, superuser_for
from api_main.auth.scopes import Scope
from api_main.core.database import RlsReader
from api_main.core.envelope import Page
from api_main.core.errors import InvalidCursor, ValidationFailed
from api_main.core.openapi import errors

router = APIRouter(prefix="/audit-log", tags=["audit"])


@router.get(
    "",
    summary="List who changed what about whom",
    description="For superusers, in person or by a token with the scope.",
    dependencies=[superuser_for(Scope.AUDIT_READ)],
    response_model=Page[EntryRead],
    responses=errors(*CALLER, ValidationFailed, InvalidCursor),
)
async def list_audit_log(
    wanted: Annotated[EntryQuery, Query()], reader: Annotated[RlsReader, reader_for(Scope.AUDIT_READ)]
) -> Response:
    return Response(await service.list_page(reader, wanted), media_type="application/json")
