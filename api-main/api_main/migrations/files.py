"""Run the SQL files of `supabase/migrations` under Alembic, in step with the Supabase CLI.

Either tool may come first. The CLI keeps its history in `supabase_migrations.schema_migrations`; a file that
stands there is not run again, and a file that Alembic ran is entered there, so that `supabase db push` finds
nothing to do (https://supabase.com/docs/guides/deployment/database-migrations).
"""

from pathlib import Path

from alembic import op
from sqlalchemy import Connection, text

DIRECTORY = Path(__file__).resolve().parents[3] / "supabase" / "migrations"
HISTORY_SCHEMA = "supabase_migrations"
ADVISORY_LOCK = 7_306_211_942


def wait_for_turn(connection: Connection) -> None:
    """Let one transaction at a time change the schema, whatever the number of replicas that start together."""
    connection.execute(text(f"select pg_advisory_xact_lock({ADVISORY_LOCK})"))


def create_history(connection: Connection) -> None:
    """Create the history table of the Supabase CLI where it does not exist yet."""
    connection.execute(text(f"create schema if not exists {HISTORY_SCHEMA}"))
    connection.execute(
        text(
            f"create table if not exists {HISTORY_SCHEMA}.schema_migrations"
            " (version text not null primary key, statements text[], name text)"
        )
    )


def run_file(version: str) -> None:
    """Run the migration file of this version, unless either tool has already run it."""
    connection = op.get_bind()
    path = next(DIRECTORY.glob(f"{version}_*.sql"))
    script = path.read_text(encoding="utf-8")
    entered = connection.execute(
        text(
            f"insert into {HISTORY_SCHEMA}.schema_migrations (version, name, statements)"  # noqa: S608
            " values (:version, :name, array[:script]) on conflict do nothing"
        ),
        {"version": version, "name": path.stem.partition("_")[2], "script": script},
    )
    if entered.rowcount:
        connection.execution_options(no_parameters=True).exec_driver_sql(script)
