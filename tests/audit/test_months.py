"""The months of the audit log: made ahead, dropped when they are old, and never missing."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

Admin = psycopg.Connection[Any]
ADD = "insert into private.audit_log (action, actor_role, happened_at) values ('a.test', 'nobody', %s)"
MONTHS = "select relname from pg_class where relnamespace = 'audit'::regnamespace and relkind = 'r' order by 1"
WHERE = "select tableoid::regclass::text from private.audit_log where action = 'a.test' order by happened_at"
NOW = datetime.now(UTC)


def month(ahead: int) -> str:
    number = NOW.year * 12 + NOW.month - 1 + ahead
    return f"log_{number // 12}_{number % 12 + 1:02}"


def names(admin: Admin, statement: str) -> list[str]:
    return [name for (name,) in admin.execute(statement.encode())]


@pytest.fixture
def log(admin: Admin) -> Iterator[Admin]:
    """The log, of which every change is undone."""
    with admin.transaction(force_rollback=True):
        yield admin


def test_two_months_are_there_ahead(log: Admin) -> None:
    assert names(log, MONTHS) == [*(month(ahead) for ahead in range(3)), "log_rest"]
    log.execute("select private.keep_audit_log(12)")
    assert names(log, MONTHS) == [*(month(ahead) for ahead in range(3)), "log_rest"]


def test_the_last_and_the_first_moment_of_a_month_have_their_place(log: Admin) -> None:
    turn = (NOW.replace(day=1, hour=0, minute=0, second=0, microsecond=0) + timedelta(days=32)).replace(day=1)
    for moment in (turn - timedelta(microseconds=1), turn):
        log.execute(ADD.encode(), (moment,))
    assert names(log, WHERE) == [f"audit.{month(0)}", f"audit.{month(1)}"]


def test_an_entry_without_a_month_is_taken_all_the_same_and_gets_one_later(log: Admin) -> None:
    """As when no worker has run for a year."""
    moments = [NOW + timedelta(days=days) for days in (-100, -70, 200, 201)]
    for moment in moments:
        log.execute(ADD.encode(), (moment,))
    assert set(names(log, WHERE)) == {"audit.log_rest"}
    log.execute("select private.keep_audit_log(12)")
    assert names(log, WHERE) == [f"audit.log_{moment:%Y_%m}" for moment in moments]
    log.execute(ADD.encode(), (NOW + timedelta(days=400),))
    assert names(log, WHERE)[-1] == "audit.log_rest"
    with pytest.raises(InsufficientPrivilege), log.transaction():
        log.execute("update private.audit_log set actor_role = 'x' where action = 'a.test'")


@pytest.mark.parametrize(("age", "stays"), [(3, True), (4, False), (40, False)])
def test_what_is_older_than_it_should_be_is_dropped(log: Admin, age: int, stays: bool) -> None:
    past = NOW.replace(day=15)
    for _ in range(age):
        past = (past.replace(day=1) - timedelta(days=1)).replace(day=15)
    log.execute(ADD.encode(), (past,))
    log.execute(ADD.encode(), (NOW,))
    log.execute("select private.keep_audit_log(3)")
    assert len(names(log, WHERE)) == 1 + stays
    assert (month(-age) in names(log, MONTHS)) is stays


def test_a_new_month_is_as_closed_as_the_whole(log: Admin) -> None:
    log.execute(ADD.encode(), (NOW + timedelta(days=300),))
    log.execute("select private.keep_audit_log(12)")
    new = f"audit.log_{NOW + timedelta(days=300):%Y_%m}"
    for statement in ("delete from {}", "truncate {}", "update {} set action = 'b.test'"):
        with pytest.raises(InsufficientPrivilege), log.transaction():
            log.execute(statement.format(new).encode())
    roles = ["anon", "authenticated", "service_role", "api_main", "auth_admin", "job_worker"]
    granted = "select r from unnest(%s::text[]) r where has_schema_privilege(r, 'audit', 'usage')"
    assert log.execute(granted.encode(), (roles,)).fetchall() == []
    any_right = "has_table_privilege(r, %s, 'select, insert, update, delete, truncate')"
    rights = f"select r from unnest(%s::text[]) r where {any_right}"
    assert log.execute(rights.encode(), (roles, new)).fetchall() == []
    secure = "select relrowsecurity from pg_class where oid = %s::regclass"
    assert log.execute(secure.encode(), (new,)).fetchone() == (True,)


@pytest.mark.parametrize("table", ["private.audit_log", "audit.log_rest"])
@pytest.mark.parametrize("statement", ["delete from {}", "truncate {}", "update {} set action = 'b.test'"])
def test_not_even_its_owner_changes_it(log: Admin, table: str, statement: str) -> None:
    log.execute(ADD.encode(), (NOW,))
    log.execute(ADD.encode(), (NOW + timedelta(days=400),))
    with pytest.raises(InsufficientPrivilege, match="only ever added to"):
        log.execute(statement.format(table).encode())


def test_maintenance_gives_way_to_writers(admin: Admin, admin_url: str) -> None:
    """What it cannot lock at once, it leaves to the next time."""
    with psycopg.connect(admin_url) as writer:
        writer.execute(ADD.encode(), (NOW + timedelta(days=500),))
        admin.execute("select private.keep_audit_log(12)")
        writer.rollback()
    assert names(admin, MONTHS)[-1] == "log_rest"
