"""The one list of routers."""

from fastapi import APIRouter, FastAPI

from api_main.auth import discovery
from api_main.auth import router as auth
from api_main.core.settings import Settings
from api_main.health import router as health
from api_main.tasks import router as tasks

LARGE_BODIES = frozenset({"/api/v1/tasks/bulk"})
"""Paths that take bodies of up to `LARGEST_BODY`; all others take `max_body_bytes`."""


def include_routers(app: FastAPI, settings: Settings) -> None:
    v1 = APIRouter(prefix="/api/v1")
    if settings.is_standalone:
        v1.include_router(auth.accounts)
    v1.include_router(auth.router)
    v1.include_router(tasks.router)
    app.include_router(v1)
    app.include_router(discovery.router)
    app.include_router(health.router)
