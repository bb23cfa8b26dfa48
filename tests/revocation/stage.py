"""Every way to lose one's access, and an API of its own settings to lose it in."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from api_main.auth import repository
from api_main.auth.revocation import Revocations
from api_main.core.prelude import Identity, Query, RlsConnection
from api_main.core.settings import Settings
from api_main.main import create_app
from tests.people import Person

AUTH = "/api/v1/auth"
TASKS = "/api/v1/tasks"
SECONDS = 30

Admin = psycopg.Connection[Any]
End = Callable[[Admin, Person], object]

ENDS: dict[str, End] = {
    "signed out": lambda admin, person: admin.execute("delete from auth.sessions where id = %s", (person.session,)),
    "session over": lambda admin, person: admin.execute(
        "update auth.sessions set not_after = now() - interval '1 second' where id = %s", (person.session,)
    ),
    "banned": lambda admin, person: admin.execute(
        "update auth.users set banned_until = now() + interval '1 day' where id = %s", (person.id,)
    ),
    "deleted": lambda admin, person: admin.execute("delete from auth.users where id = %s", (person.id,)),
    "deleted softly": lambda admin, person: admin.execute(
        "update auth.users set deleted_at = now() where id = %s", (person.id,)
    ),
    "deactivated": lambda admin, person: admin.execute(
        "update public.profiles set is_active = false where id = %s", (person.id,)
    ),
}
"""By SQL, as people in a dashboard do it."""


@dataclass
class Stage:
    app: FastAPI
    http: httpx.AsyncClient

    @property
    def revocations(self) -> Revocations:
        revocations: Revocations = self.app.state.revocations
        return revocations

    async def read(self, person: Person) -> int:
        """Through a reader."""
        return (await self.http.get(TASKS, headers=person.headers)).status_code

    async def write(self, person: Person) -> int:
        """Through a session."""
        return (await self.http.post(TASKS, json={"title": "x"}, headers=person.headers)).status_code

    async def read_me(self, person: Person) -> int:
        """On a route of accounts."""
        return (await self.http.get(f"{AUTH}/me", headers=person.headers)).status_code


@asynccontextmanager
async def serve(settings: Settings, **changes: Any) -> AsyncIterator[Stage]:
    """The API under other settings, on the same database."""
    app = create_app(Settings(_env_file=None, **{**settings.model_dump(exclude_unset=True), **changes}))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://api.test") as http,
    ):
        yield Stage(app, http)


class Looks:
    """Watches the exchanges with Postgres: counts those that look a session up, and can hold them or break them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.alone = 0
        self.away = False
        self.open = asyncio.Event()
        self.open.set()
        self._read = RlsConnection.read

        async def read(*arguments: Any) -> Any:
            return await self._watch(*arguments)

        monkeypatch.setattr(RlsConnection, "read", read)

    async def _watch(self, connection: RlsConnection, identity: Identity, *queries: Query) -> Any:
        await self.open.wait()
        if self.away:
            raise psycopg.OperationalError("the server closed the connection unexpectedly")
        looked = repository.SESSION_IS_LIVE in queries
        self.count += looked
        self.alone += looked and len(queries) == 1
        return await self._read(connection, identity, *queries)
