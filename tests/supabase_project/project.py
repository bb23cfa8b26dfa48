"""Databases on a server of Supabase's: a project as Supabase makes it, and a standalone one of ours beside it."""

from pathlib import Path

import psycopg

from api_main.migrations.setup import PRELUDE, prepare_database
from tests.postgres_servers import Server

HERE = Path(__file__).parent


def create_roles(server: Server) -> None:
    """What every project of this server shares."""
    with psycopg.connect(server.url()) as connection:
        connection.execute((HERE / "roles.sql").read_bytes())


def create_project(server: Server, name: str, *, migrated: bool = True) -> str:
    """Create a project, migrate it as its `postgres`, and return the address that `postgres` has there."""
    server.new_database(name)
    with psycopg.connect(server.url(name)) as connection:
        connection.execute(PRELUDE.read_bytes())
        connection.execute((HERE / "owners.sql").read_bytes())
    url = server.url(name, user="postgres")
    if migrated:
        prepare_database(url, login_password="of-the-api", standalone=False)
    return url


def create_standalone(server: Server, name: str) -> str:
    """Create a database of our standalone mode, and return its administrator's address."""
    server.new_database(name)
    prepare_database(server.url(name), login_password="of-the-api")
    return server.url(name)
