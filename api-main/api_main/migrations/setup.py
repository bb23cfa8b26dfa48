"""Make a database ready for api-main: the standalone prelude, the migrations, the API's login.

Every step may be run again. The connection is an administrator's: on Supabase the project's `postgres`.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from psycopg import sql
from sqlalchemy import Connection, create_engine, pool

from api_main.core.settings import sqlalchemy_url
from api_main.migrations.files import wait_for_turn

PRELUDE = Path(__file__).with_name("standalone.sql")
# What needs both the prelude's role for accounts and the migrations' objects.
AFTER_MIGRATIONS = """
grant auth_admin to api_main;
grant usage on schema private to auth_admin;
grant execute on function
  private.may_sign_in(uuid), private.claim_sign_up_key(bytea), private.keep_sign_up(uuid, bytea, bytea, bytea)
  to auth_admin;
"""

# pgvector may have been installed since the migration that needs it.
ENSURE_VECTORS = "select private.create_task_embeddings()"


def prepare_database(admin_url: str, *, login_password: str | None, standalone: bool = True) -> None:
    """Bring the database to the newest schema and let `api_main` log in.

    With `standalone` the roles and the `auth` schema that Supabase would have brought are created first.
    Without a `login_password` the login role keeps the password that it has.
    """
    engine = create_engine(sqlalchemy_url(admin_url), poolclass=pool.NullPool)
    with engine.begin() as connection:
        wait_for_turn(connection)
        if standalone:
            connection.execution_options(no_parameters=True).exec_driver_sql(PRELUDE.read_text(encoding="utf-8"))
        _migrate(connection)
        connection.exec_driver_sql(ENSURE_VECTORS)
        if standalone:
            connection.exec_driver_sql(AFTER_MIGRATIONS)
        if login_password is not None:
            _open_login(connection, login_password)


def _migrate(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _open_login(connection: Connection, password: str) -> None:
    statement = sql.SQL("alter role api_main login password {}").format(sql.Literal(password))
    connection.execution_options(no_parameters=True).exec_driver_sql(statement.as_string())
