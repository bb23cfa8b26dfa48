"""A project on each version of PostgreSQL that we support, as Supabase makes it."""

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from tests.postgres_servers import OF_SUPABASE, Server, start_server
from tests.supabase_project.project import create_project, create_roles

NewProject = Callable[..., str]


@pytest.fixture(scope="module", params=[15, 18], ids=lambda major: f"postgres-{major}")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with start_server(request.param, tmp_path_factory.mktemp("supabase"), OF_SUPABASE) as running:
        create_roles(running)
        yield running


@pytest.fixture(scope="module")
def new_project(server: Server) -> NewProject:
    """Create a project, and return the address of its `postgres`."""
    numbers = count()

    def create(*, migrated: bool = True) -> str:
        return create_project(server, f"project_{next(numbers)}", migrated=migrated)

    return create
