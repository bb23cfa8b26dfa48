"""Both PostgreSQL versions, empty databases on them, and the tools that change a schema."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.migrations.supabase_cli import SupabaseCli, install
from tests.postgres_servers import PROGRAMS, Server, start_server

NewServer = Callable[[int], Server]


@pytest.fixture(scope="session")
def new_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewServer]:
    """Start an untouched server of a major version, by any of the tests, until all of them have ended."""
    with ExitStack() as servers:

        def start(major: int) -> Server:
            return servers.enter_context(start_server(major, tmp_path_factory.mktemp(f"postgres-{major}")))

        yield start


@pytest.fixture(scope="session")
def server(new_server: NewServer) -> Server:
    """PostgreSQL 18, on which nothing has been prepared."""
    return new_server(18)


@pytest.fixture(scope="session", params=PROGRAMS, ids=lambda major: f"postgres-{major}")
def any_server(request: pytest.FixtureRequest, new_server: NewServer) -> Server:
    """Every version that we test with, from the oldest supported to the newest."""
    return new_server(request.param)


@pytest.fixture(scope="session")
def supabase_cli(tmp_path_factory: pytest.TempPathFactory) -> SupabaseCli:
    """The Supabase CLI on a copy of our migrations, in a home of its own."""
    return SupabaseCli(install(), tmp_path_factory.mktemp("supabase"))
