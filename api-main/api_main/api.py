"""The one list of routers."""

from collections.abc import Sequence
from functools import cache

from fastapi import APIRouter
from starlette.routing import BaseRoute

from api_main.audit import router as audit
from api_main.auth import discovery
from api_main.auth import router as auth
from api_main.auth.mail import router as mail
from api_main.auth.personal_tokens import router as personal_tokens
from api_main.auth.protocol import admin_router, links_router
from api_main.auth.protocol import router as protocol
from api_main.core.openapi import operation_id
from api_main.core.settings import Settings
from api_main.dashboard import router as dashboard
from api_main.events import socket_router
from api_main.health import router as health
from api_main.images import router as images
from api_main.inference import router as inference
from api_main.jobs import router as jobs
from api_main.metrics import router as metrics
from api_main.tasks import events as task_events
from api_main.tasks import router as tasks
from api_main.tasks.export import router as task_export
from api_main.tasks.search import router as task_search
from api_main.users import router as users

LARGE_BODIES = ("/api/v1/tasks/bulk", "/api/v1/users/bulk", "/api/v1/jobs", "/api/v1/images/", "/api/v1/inference/")
"""Beginnings of paths that take bodies of up to `LARGEST_BODY`; all others take `max_body_bytes`."""

WITHOUT_HEAD = ("/auth/v1/verify", "/api/v1/tasks/events", "/api/v1/jobs/{job_id}/events")
"""Paths whose GET does something: scanners of mail ask for the head of every link. Or whose answer does not end."""


@cache
def routes(*, signs: bool, keeps_accounts: bool, shows_mail: bool) -> Sequence[BaseRoute]:
    """The routes of an API that signs tokens, keeps accounts itself, and shows the mail it would send.

    Applications of one kind share them: FastAPI takes a third of a second to put them together.
    """
    root = APIRouter(generate_unique_id_function=operation_id)
    # The busiest first; searches, events and exports before the tasks, for `search` is no task's id.
    for router in (task_search.router, task_events.router, task_export.router, tasks.reads, tasks.router):
        root.include_router(router, prefix="/api/v1")
    for router in (
        auth.router,
        socket_router.router,
        personal_tokens.router,
        jobs.router,
        images.router,
        inference.router,
        metrics.router,
    ):
        root.include_router(router, prefix="/api/v1")
    for router in (users.router, audit.router, dashboard.router):
        root.include_router(router, prefix="/api/v1")
    if signs:
        root.include_router(discovery.router)
    if keeps_accounts:
        for part in (admin_router, links_router, protocol):  # the last one answers what the others do not
            root.include_router(part.router, include_in_schema=False)
    if shows_mail:
        root.include_router(mail.router)
    root.include_router(health.router)
    return root.routes


def routes_for(settings: Settings) -> Sequence[BaseRoute]:
    return routes(
        signs=settings.signing_keys is not None,
        keeps_accounts=settings.is_standalone,
        shows_mail=settings.is_standalone and not settings.is_production,
    )
