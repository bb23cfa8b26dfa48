"""What is copied: tables, and the columns that both databases can take."""

from dataclasses import dataclass, field
from typing import Any

from psycopg import Connection, sql

# Supabase Auth finds accounts by this instance alone, and cannot read a token or metadata that is null.
FOR_SUPABASE_AUTH = {
    "instance_id": "00000000-0000-0000-0000-000000000000",
    "aud": "authenticated",
    "role": "authenticated",
    "raw_app_meta_data": "{}",
    "raw_user_meta_data": "{}",
    **dict.fromkeys(
        (
            "confirmation_token",
            "recovery_token",
            "email_change",
            "email_change_token_new",
            "email_change_token_current",
            "phone_change",
            "phone_change_token",
            "reauthentication_token",
        ),
        "",
    ),
}

COLUMNS = """
select a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull and not a.atthasdef
from pg_attribute a
where a.attrelid = to_regclass(%s) and a.attnum > 0 and not a.attisdropped
  and a.attgenerated = '' and a.attidentity <> 'a'
order by a.attnum
"""


class CannotMove(Exception):
    """The two databases do not fit together. Its text says why."""


@dataclass(frozen=True)
class Table:
    """One table: what tells its rows apart, whose they are, and what stands for null on the target."""

    schema: str
    name: str
    owner: str
    key: tuple[str, ...] = ("id",)
    defaults: dict[str, str] = field(default_factory=dict)
    # On the target a trigger makes a row as soon as its account is there.
    made_by_trigger: bool = False

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.name)


USERS = Table("auth", "users", owner="id", defaults=FOR_SUPABASE_AUTH)
IDENTITIES = Table("auth", "identities", owner="user_id", key=("provider", "provider_id"))
PROFILES = Table("public", "profiles", owner="id", made_by_trigger=True)
TASKS = Table("public", "tasks", owner="owner_id")
OF_AN_ACCOUNT = (USERS, IDENTITIES, PROFILES)
TABLES = (*OF_AN_ACCOUNT, TASKS)


@dataclass(frozen=True)
class Columns:
    """The columns of a table that are copied, with their types on the target, and those that cannot be."""

    types: dict[str, str]
    left_out: tuple[str, ...]


def shared_columns(source: Connection[Any], target: Connection[Any], table: Table) -> Columns:
    """What both sides can take; generated columns are nobody's to write.

    Raises:
        CannotMove: a side lacks the table, or the target needs a column that the source cannot fill.
    """
    here, there = _columns(source, table, "source"), _columns(target, table, "target")
    shared = {name: kind for name, (kind, _) in there.items() if name in here}
    if missing := [name for name, (_, is_needed) in there.items() if is_needed and name not in shared]:
        raise CannotMove(f"{table} of the target needs columns that the source lacks: {', '.join(missing)}.")
    return Columns(shared, tuple(name for name in here if name not in shared))


def _columns(connection: Connection[Any], table: Table, side: str) -> dict[str, tuple[str, bool]]:
    rows = connection.execute(COLUMNS, [str(table)]).fetchall()
    if not rows:
        raise CannotMove(f"The {side} has no table {table}: run the migrations there first.")
    return {name: (kind, is_needed) for name, kind, is_needed in rows}
