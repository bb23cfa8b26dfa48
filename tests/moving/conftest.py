"""Two servers: one with standalone databases of ours, one with projects as Supabase makes them."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.postgres_servers import OF_SUPABASE, Server, start_server
from tests.supabase_project.project import create_project, create_roles, create_standalone

NUMBERS = count()


@dataclass(frozen=True)
class Houses:
    """The addresses of a source and of a target, and a connection to each that commits at once."""

    source_url: str
    target_url: str
    source: psycopg.Connection[Any]
    target: psycopg.Connection[Any]


@pytest.fixture(scope="module")
def source_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with start_server(18, tmp_path_factory.mktemp("source"), OF_SUPABASE) as running:
        yield running


@pytest.fixture(scope="module", params=[15, 18], ids=lambda major: f"to-{major}")
def target_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with start_server(request.param, tmp_path_factory.mktemp("target"), OF_SUPABASE) as running:
        create_roles(running)
        yield running


@pytest.fixture(scope="module")
def standalone(source_server: Server) -> str:
    """The database that each test gets a copy of."""
    create_standalone(source_server, "standalone")
    return "standalone"


@pytest.fixture(scope="module")
def project(target_server: Server) -> str:
    """The project that each test gets a copy of."""
    create_project(target_server, "project")
    return "project"


@pytest.fixture
def houses(source_server: Server, target_server: Server, standalone: str, project: str) -> Iterator[Houses]:
    name = f"house_{next(NUMBERS)}"
    _copy(source_server, standalone, name)
    _copy(target_server, project, name)
    source_url, target_url = source_server.url(name), target_server.url(name, user="postgres")
    with (
        psycopg.connect(source_url, autocommit=True) as source,
        psycopg.connect(target_url, autocommit=True) as target,
    ):
        yield Houses(source_url, target_url, source, target)


def _copy(server: Server, template: str, name: str) -> None:
    statement = sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(template))
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(statement)
