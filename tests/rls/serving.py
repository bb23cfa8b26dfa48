"""The application on settings of a test's own, with two routes that are as slow as they are told to be."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
from fastapi import FastAPI

from api_main.auth.dependencies import CurrentReader, CurrentSession
from api_main.core.database import Database
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


@asynccontextmanager
async def serve(settings: Settings) -> AsyncIterator[Service]:
    """The application, started, and a client of it without a network between them."""
    app = create_app(settings)
    app.get(SLOW_READ)(_slow_read)
    app.post(SLOW_WRITE)(_slow_write)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url=settings.public_url) as client,
    ):
        yield Service(app, client)


async def _slow_read(reader: CurrentReader) -> str:
    await reader.fetch(Query("select owner_id from public.tasks"), Query(IN_BETWEEN))
    return "read"


async def _slow_write(session: CurrentSession) -> str:
    await ask(session, "insert into public.tasks (title) values ('slow')")
    await ask(session, IN_BETWEEN)
    return "written"
