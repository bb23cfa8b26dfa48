"""The schema and the API's login, brought up to date where anything has changed since the last time.

To look closely costs a second, most of it imports. A database of our own is marked with what was applied to it.
"""

from hashlib import sha256
from pathlib import Path

import psycopg

from local_stack.configuration import ROOT
from local_stack.errors import StartError

SQL = ROOT / "supabase" / "migrations"
SOURCES = (SQL, ROOT / "api-main" / "api_main" / "migrations")


def prepare(admin_url: str, *, login_password: str, standalone: bool, mark: Path | None) -> None:
    """Migrate and open the API's login, unless the mark says that this is done."""
    wanted = _fingerprint(login_password, str(standalone))
    if mark and mark.exists() and mark.read_text(encoding="utf-8") == wanted and _is_migrated(admin_url):
        return
    _migrate(admin_url, login_password=login_password, standalone=standalone)
    if mark:
        mark.write_text(wanted, encoding="utf-8")


def _fingerprint(*settings: str) -> str:
    digest = sha256("\0".join(settings).encode())
    for path in sorted(path for source in SOURCES for path in source.rglob("*") if path.suffix in {".sql", ".py"}):
        digest.update(f"\0{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _is_migrated(admin_url: str) -> bool:
    expected = sorted(path.name.partition("_")[0] for path in SQL.glob("*.sql"))
    with psycopg.connect(admin_url) as connection:
        try:
            rows = connection.execute("select version from supabase_migrations.schema_migrations order by 1")
            return [row[0] for row in rows] == expected
        except psycopg.errors.UndefinedTable:
            return False


def _migrate(admin_url: str, *, login_password: str, standalone: bool) -> None:
    # Only here, where they are needed: SQLAlchemy and Alembic are most of the time that a start takes.
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    from api_main.migrations.setup import prepare_database  # noqa: PLC0415

    try:
        prepare_database(admin_url, login_password=login_password, standalone=standalone)
    except (psycopg.Error, SQLAlchemyError) as error:
        raise StartError(f"The database could not be migrated: {sentence(error)}.") from None


def sentence(error: Exception) -> str:
    """Return the first line of what the database, or the driver, has to say."""
    cause = getattr(error, "orig", None) or error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()] or [type(cause).__name__]
    return lines[0].removeprefix("connection failed: ").rstrip(".")
