"""A server of the tests' own that may be killed, with every write on the disk; and small services on the shared one."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest

from api_main.core.settings import Settings
from api_main.migrations.setup import prepare_database
from local_stack.postgres import EmbeddedPostgres
from tests.conftest import API_PASSWORD
from tests.people import Person, create_person
from tests.rls.serving import Service, serve


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A server that keeps what it has confirmed, whatever happens to it."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("mortal") / "data", options={"fsync": "on"}) as server:
        prepare_database(server.url(), login_password=API_PASSWORD)
        yield server
        server.start()  # a test that failed may have left it dead


@pytest.fixture
def on_mortal(mortal: EmbeddedPostgres, settings: Settings) -> Settings:
    url = mortal.url(user="api_main", password=API_PASSWORD)
    changes = {"database_url": url, "database_pool_max": 4, "database_pool_timeout": 0.5}
    return settings.model_copy(update=changes)


@pytest.fixture(scope="module")
def survivor(mortal: EmbeddedPostgres, settings: Settings) -> Person:
    """Somebody with an account on the server that is killed."""
    with psycopg.connect(mortal.url(), autocommit=True) as admin:
        return create_person(admin, settings)


ONE_CONNECTION: dict[str, Any] = {"database_pool_min": 1, "database_pool_max": 1}


@pytest.fixture
async def narrow(settings: Settings) -> AsyncIterator[Service]:
    """A service with one connection: whatever is left on it shows at once."""
    async with serve(settings.model_copy(update=ONE_CONNECTION)) as service:
        yield service


@pytest.fixture
async def hurried(settings: Settings) -> AsyncIterator[Service]:
    """The same with so little time that on a busy machine nothing is sure to succeed at the first attempt."""
    async with serve(settings.model_copy(update={**ONE_CONNECTION, "request_timeout": 0.6})) as service:
        yield service
