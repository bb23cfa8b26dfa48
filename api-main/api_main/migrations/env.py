"""Alembic's entry: connect as the administrator of the database and run what is missing, in one transaction."""

from typing import Any

from alembic import context
from sqlalchemy import Connection, create_engine, pool
from sqlmodel import SQLModel

from api_main.core.settings import AdminSettings, sqlalchemy_url
from api_main.migrations.files import HISTORY_SCHEMA, create_history, wait_for_turn
from api_main.models import TABLES

# What `alembic check` compares. Comments belong to the SQL files alone.
COMPARED = ["alembic.autogenerate.*", "~alembic.autogenerate.comments"]


def _is_looked_at(name: str | None, kind: str, _parents: Any) -> bool:
    """No table without a model, which may have columns of types that SQLAlchemy does not know."""
    return kind != "table" or name in TABLES


def _is_ours(thing: Any, name: str | None, kind: str, reflected: bool, _compare_to: Any) -> bool:
    """What the models must agree with the database about: tables and columns, but for generated ones.

    Indexes and constraints belong to the SQL files alone: no model has a use for them.
    """
    match kind:
        case "table":
            return name in TABLES
        case "column":
            return not (reflected and thing.computed)
        case _:
            return False


def _migrate(connection: Connection) -> None:
    wait_for_turn(connection)
    create_history(connection)
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        version_table_schema=HISTORY_SCHEMA,
        include_name=_is_looked_at,
        include_object=_is_ours,
        compare_type=True,
        compare_server_default=False,
        autogenerate_plugins=COMPARED,
    )
    context.run_migrations()


def run() -> None:
    connection = context.config.attributes.get("connection")
    if connection is not None:
        _migrate(connection)
        return
    engine = create_engine(sqlalchemy_url(AdminSettings().migration_database_url), poolclass=pool.NullPool)
    with engine.begin() as own_connection:
        _migrate(own_connection)


run()
