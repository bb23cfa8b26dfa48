"""The application on settings of a test's own, with two routes that are as slow as they are told to be."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from api_main.auth.dependencies import CurrentReader, CurrentSession
from api_main.core.database import Database
from api_main.core.middleware import LastResort
from api_main.core.prelude import Query
from api_main.core.settings import Settings
from api_main.main import create_app
from tests.rls.doors import ask

SLOW_WRITE = "/slow-write"
SLOW_READ = "/slow-read"
IN_BETWEEN = "select pg_sleep(30)"


@dataclass(frozen=True)
class Service:
    app: FastAPI
    client: httpx.AsyncClient

    @property
    def database(self) -> Database:
        database: Database = self.app.state.database
        return database


class HastyWithTheSlow:
    """Stop what is slow, as the application itself would if its time were so short, and leave it time for the rest."""

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app, self._hasty = app, LastResort(app, seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._hasty if scope["path"] in {SLOW_READ, SLOW_WRITE} else self._app
        await app(scope, receive, send)


@asynccontextmanager
async def serve(settings: Settings, slow_seconds: float | None = None) -> AsyncIterator[Service]:
    """The application, started, and a client of it without a network between them."""
    app = create_app(settings)
    app.get(SLOW_READ)(_slow_read)
    app.post(SLOW_WRITE)(_slow_write)
    async with started(app, app if slow_seconds is None else HastyWithTheSlow(app, slow_seconds)) as service:
        yield service


@asynccontextmanager
async def started(app: FastAPI, served: ASGIApp | None = None) -> AsyncIterator[Service]:
    """As `serve`. What takes long is an application's first request: the same one may be started time and again."""
    transport = httpx.ASGITransport(served or app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://api.test") as client,
    ):
        yield Service(app, client)


async def _slow_read(reader: CurrentReader) -> str:
    await reader.fetch(Query("select owner_id from public.tasks"), Query(IN_BETWEEN))
    return "read"


async def _slow_write(session: CurrentSession) -> str:
    await ask(session, "insert into public.tasks (title) values ('slow')")
    await ask(session, IN_BETWEEN)
    return "written"
