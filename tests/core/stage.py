"""The real application with a few routes more, which fail or dawdle as told."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import psycopg
from fastapi import APIRouter, FastAPI, Request
from sqlalchemy import text
from starlette.exceptions import HTTPException
from starlette.responses import StreamingResponse

from api_main.auth.dependencies import CurrentSession
from api_main.core.database import Database
from api_main.core.errors import PermissionDenied

SECRET = "the password is hunter2"

router = APIRouter(prefix="/stage", include_in_schema=False)


@router.get("/crash")
async def crash() -> None:
    raise RuntimeError(SECRET)


@router.get("/abort/{status}")
async def abort(status: int) -> None:
    raise HTTPException(status, SECRET, headers={"X-Why": "because"})


@router.get("/denied")
async def deny() -> None:
    raise PermissionDenied


@router.post("/sql")
async def run_sql(statement: dict[str, str], session: CurrentSession) -> None:
    """As the caller: Row Level Security holds here as anywhere."""
    await session.exec(text(statement["sql"]))  # type: ignore[call-overload]


@router.get("/driver")
async def fail_in_driver() -> None:
    raise psycopg.OperationalError(SECRET)


@router.get("/sleep")
async def sleep(seconds: float) -> dict[str, Any]:
    await asyncio.sleep(seconds)
    return {}


@router.get("/break-off")
async def break_off() -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        yield b"begun"
        raise RuntimeError(SECRET)

    return StreamingResponse(parts())


@router.get("/idle")
async def count_idle(request: Request) -> dict[str, int]:
    database: Database = request.app.state.database
    return {"available": database._pool.get_stats().get("pool_available", 0)}


def add_stage(app: FastAPI) -> FastAPI:
    app.include_router(router)
    return app
