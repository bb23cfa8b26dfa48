import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx
import pytest
import respx

from api_main.core.logging import configure_logging
from api_main.core.settings import Settings
from api_main.main import create_app
from tests.conftest import NewPerson
from tests.people import Person
from tests.supabase_mode import project

Serve = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
LogLines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def supabase() -> Iterator[respx.MockRouter]:
    """The network, in which the project publishes its keys and answers nothing else, until a test says what."""
    with respx.mock(assert_all_called=False, base_url=project.AUTH) as router:
        router.get("/.well-known/jwks.json").respond(json=project.jwks(project.SIGNING_KEY))
        yield router


@pytest.fixture(scope="session")
def serve(settings: Settings) -> Serve:
    """The API in Supabase mode on the real database."""

    @asynccontextmanager
    async def start(**changes: Any) -> AsyncIterator[httpx.AsyncClient]:
        own = {
            **settings.model_dump(exclude_unset=True),
            "jwt_signing_keys": None,
            "supabase_url": project.URL,
            "supabase_publishable_key": project.PUBLISHABLE_KEY,
            **changes,
        }
        app = create_app(Settings(_env_file=None, **own))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("203.0.113.7", 4711))
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://t") as http,
        ):
            yield http

    return start


@pytest.fixture(scope="session")
async def served(serve: Serve) -> AsyncIterator[httpx.AsyncClient]:
    async with serve() as http:
        yield http


@pytest.fixture
def api(served: httpx.AsyncClient, supabase: respx.MockRouter) -> httpx.AsyncClient:
    return served


def in_project(person: Person) -> Person:
    """The same person, with a token that the project signed."""
    return Person(person.id, person.email, person.session, project.token(person.id, person.session))


@pytest.fixture
def ada(new_person: NewPerson) -> Person:
    return in_project(new_person())


@pytest.fixture
def bob(new_person: NewPerson) -> Person:
    return in_project(new_person())


@pytest.fixture
def log_lines(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Iterator[LogLines]:
    """What has been logged since the last call, as production writes it."""
    configure_logging(settings.model_copy(update={"log_format": "json", "log_level": "DEBUG"}))
    yield lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    configure_logging(settings)
