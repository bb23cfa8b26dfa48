"""`./scripts/move-to-supabase`, from one PostgreSQL server to another, with the rights of a hosted project."""

import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from typing import Any
from uuid import uuid4

import bcrypt
import pytest
from psycopg import sql

from api_main.migrations.moving import __main__ as command
from tests.moving.conftest import Houses
from tests.moving.household import PASSWORD, TABLES, contents, move_in
from tests.patience import PATIENCE

# What Supabase Auth needs, and standalone mode leaves empty.
NIL = "00000000-0000-0000-0000-000000000000"


def move(houses: Houses, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the command here: to start a process takes longer than to move. Those who test the process start it."""
    arguments = ["move-to-supabase", "--from", houses.source_url, "--to", houses.target_url, *options]
    out, error = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(error):
        patch.setattr(sys, "argv", arguments)
        with pytest.raises(SystemExit) as ended:
            command.main()
    return subprocess.CompletedProcess(arguments, int(ended.value.code or 0), out.getvalue(), error.getvalue())


def start(*options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run it as `./scripts/move-to-supabase` does."""
    return subprocess.run(
        [sys.executable, "-m", "api_main.migrations.moving", *options],
        env={**os.environ, **variables, "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def moved(houses: Houses, *options: str) -> list[list[int]]:
    """Move, and return what was said: for each table new, changed, same and newer rows."""
    done = move(houses, *options)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.splitlines()[2:6]]
    assert [name for name, *_ in lines] == list(TABLES)
    return [[int(number.replace(",", "")) for number in numbers] for _, *numbers in lines]


def test_accounts_profiles_and_tasks_arrive_as_they_were(houses: Houses) -> None:
    move_in(houses.source, "ada@example.com")
    move_in(houses.source, "bob@example.com", tasks=0)
    assert moved(houses) == [[2, 0, 0, 0], [2, 0, 0, 0], [2, 0, 0, 0], [2, 0, 0, 0]]
    source, target = contents(houses.source), contents(houses.target)
    assert [_plain(row) for row in target["auth.users"]] == [_plain(row) for row in source["auth.users"]]
    assert {table: target[table] for table in TABLES[1:]} == {table: source[table] for table in TABLES[1:]}


def test_the_old_password_is_the_new_password(houses: Houses) -> None:
    ada = move_in(houses.source, "ada@example.com")
    moved(houses)
    [hashed] = houses.target.execute("select encrypted_password from auth.users where id = %s", [ada]).fetchone() or []
    assert bcrypt.checkpw(PASSWORD.encode(), hashed.encode())


def test_supabase_auth_can_find_and_read_the_accounts(houses: Houses) -> None:
    """It looks for the nil instance, and fails on tokens that are null (supabase/auth#1940)."""
    move_in(houses.source, "ada@example.com", aud=None, role=None, raw_app_meta_data=None)
    moved(houses)
    found = houses.target.execute("""
        select instance_id::text, aud, role, raw_app_meta_data, confirmation_token, recovery_token, email_change,
          email_change_token_new, email_change_token_current, phone_change, phone_change_token, reauthentication_token
        from auth.users
    """).fetchone()
    assert found == (NIL, "authenticated", "authenticated", {}, *[""] * 8)


def test_moving_again_changes_nothing(houses: Houses) -> None:
    move_in(houses.source, "ada@example.com")
    moved(houses)
    before = contents(houses.target)
    assert moved(houses) == [[0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 2, 0]]
    assert contents(houses.target) == before


def test_what_has_changed_since_is_moved_the_second_time(houses: Houses) -> None:
    ada = move_in(houses.source, "ada@example.com")
    moved(houses)
    houses.source.execute("update auth.users set email = 'countess@example.com', banned_until = 'infinity'")
    houses.source.execute("update public.profiles set username = 'ada'")
    houses.source.execute("update public.tasks set title = 'changed' where title = 'Task 1'")
    bob = move_in(houses.source, "bob@example.com", tasks=1)
    assert moved(houses) == [[1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 0, 0], [1, 1, 1, 0]]
    profiles = houses.target.execute("select id, email, username from public.profiles").fetchall()
    assert set(profiles) == {(ada, "countess@example.com", "ada"), (bob, "bob@example.com", None)}
    assert houses.target.execute("select count(*) from public.tasks where title = 'changed'").fetchone() == (1,)
    before = contents(houses.target)
    moved(houses)
    assert contents(houses.target) == before


def test_what_is_newer_on_the_target_stays(houses: Houses) -> None:
    move_in(houses.source, "ada@example.com", tasks=1)
    moved(houses)
    houses.target.execute("update auth.users set encrypted_password = 'new', updated_at = now()")
    houses.target.execute("update public.tasks set title = 'of the target'")
    houses.target.execute("update public.profiles set full_name = 'of the target'")
    before = contents(houses.target)
    assert moved(houses) == [[0, 0, 0, 1], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1]]
    assert contents(houses.target) == before


def test_a_dry_run_says_what_a_move_would_do_and_writes_nothing(houses: Houses) -> None:
    move_in(houses.source, "ada@example.com")
    before = contents(houses.target)
    said = moved(houses, "--dry-run")
    assert contents(houses.target) == before
    assert said == moved(houses)


def test_the_source_is_left_as_it_is(houses: Houses) -> None:
    move_in(houses.source, "ada@example.com")
    before = contents(houses.source)
    moved(houses)
    assert contents(houses.source) == before


def test_more_accounts_and_tasks_than_fit_in_a_batch_all_arrive(houses: Houses) -> None:
    houses.source.execute("insert into auth.users (email) select n || '@example.com' from generate_series(1, 1201) n")
    houses.source.execute("""
        insert into public.tasks (owner_id, title)
        select id, n::text from auth.users, generate_series(1, 3) n where email in ('1@example.com', '2@example.com')
        union all select id, n::text from auth.users, generate_series(1, 2500) n where email = '3@example.com'
    """)
    assert moved(houses) == [[1201, 0, 0, 0], [0, 0, 0, 0], [1201, 0, 0, 0], [2506, 0, 0, 0]]
    assert moved(houses) == [[0, 0, 1201, 0], [0, 0, 0, 0], [0, 0, 1201, 0], [0, 0, 2506, 0]]


def test_an_anonymous_and_a_deleted_account_move_as_well(houses: Houses) -> None:
    houses.source.execute("insert into auth.users (is_anonymous) values (true)")
    houses.source.execute("insert into auth.users (email, deleted_at) values ('digest', now())")
    moved(houses)
    rows = houses.target.execute("select state, email, is_anonymous from admin.users order by state").fetchall()
    assert rows == [("active", None, True), ("deleted", "digest", False)]


def _take_email(houses: Houses) -> None:
    houses.target.execute("insert into auth.users (email, instance_id) values ('Taken@Example.com', %s)", [NIL])
    move_in(houses.source, "taken@example.com")


def _take_phone(houses: Houses) -> None:
    houses.target.execute("insert into auth.users (phone) values ('49123')")
    move_in(houses.source, "ada@example.com", phone="49123")


def _take_identity(houses: Houses) -> None:
    ada = move_in(houses.source, "ada@example.com")
    holder = houses.target.execute("insert into auth.users (email) values ('x@example.com') returning id").fetchone()
    houses.target.execute(
        "insert into auth.identities (user_id, provider, provider_id, identity_data) values (%s, 'email', %s, '{}')",
        [*(holder or ()), str(ada)],
    )


def _take_user_name(houses: Houses) -> None:
    houses.target.execute("insert into auth.users (email) values ('x@example.com')")
    houses.target.execute("update public.profiles set username = 'taken'")
    ada = move_in(houses.source, "ada@example.com")
    houses.source.execute("update public.profiles set username = 'taken' where id = %s", [ada])


@pytest.mark.parametrize(
    ("take", "what"),
    [
        (_take_email, "e-mail taken@example.com"),
        (_take_phone, "phone 49123"),
        (_take_identity, "identity email "),
        (_take_user_name, "user name taken"),
    ],
)
def test_an_account_in_conflict_is_left_out_whole_and_reported(houses: Houses, take: Any, what: str) -> None:
    take(houses)
    bob = move_in(houses.source, "bob@example.com", tasks=1)
    before = contents(houses.target)
    done = move(houses)
    assert (done.returncode, f"the {what}" in done.stderr) == (3, True)
    houses.target.execute("delete from auth.users where id = %s", [bob])
    assert contents(houses.target) == before
    assert move(houses, "--allow-conflicts").returncode == 0


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_column_that_only_one_side_has_is_no_obstacle(houses: Houses, side: str) -> None:
    house = houses.source if side == "source" else houses.target
    house.execute("alter table public.tasks add column estimate integer")
    move_in(houses.source, "ada@example.com")
    done = move(houses)
    assert done.returncode == 0
    assert ("public.tasks.estimate" in done.stdout) is (side == "source")
    assert houses.target.execute("select count(*) from public.tasks").fetchone() == (2,)


def test_a_column_that_the_target_needs_stops_the_move_before_it_begins(houses: Houses) -> None:
    houses.target.execute("alter table public.tasks add column estimate integer not null")
    move_in(houses.source, "ada@example.com")
    done = move(houses)
    assert (done.returncode, "estimate" in done.stderr) == (1, True)
    assert contents(houses.target)["auth.users"] == []


def test_a_project_without_our_migrations_is_told_so(houses: Houses) -> None:
    houses.target.execute("drop table public.tasks cascade")
    done = move(houses)
    assert (done.returncode, done.stderr) == (
        1,
        "error: The target has no table public.tasks: run the migrations there first.\n",
    )


def test_a_move_that_breaks_off_is_taken_up_by_the_next(houses: Houses) -> None:
    houses.source.execute("insert into auth.users (email) select n || '@example.com' from generate_series(1, 600) n")
    [last] = houses.source.execute("select id from auth.users order by id desc limit 1").fetchone() or [uuid4()]
    refuse = sql.SQL("alter table public.profiles add constraint refuse check (id <> {})").format(sql.Literal(last))
    houses.target.execute(refuse)
    assert move(houses).returncode == 1
    assert houses.target.execute("select count(*) from auth.users").fetchone() == (500,)
    houses.target.execute("alter table public.profiles drop constraint refuse")
    assert moved(houses)[0] == [100, 0, 500, 0]


def test_addresses_may_stand_in_the_environment(houses: Houses) -> None:
    move_in(houses.source, "ada@example.com")
    done = start(MOVE_FROM=houses.source_url, MOVE_TO=houses.target_url)
    assert (done.returncode, done.stderr) == (0, "")
    assert houses.target.execute("select count(*) from public.tasks").fetchone() == (2,)


def test_an_address_that_nobody_answers_is_an_error_without_a_traceback(houses: Houses) -> None:
    nobody = "postgresql://postgres:secret-word@127.0.0.1:1/postgres"
    done = start("--from", houses.source_url, "--to", nobody)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert "secret-word" not in done.stderr


def _plain(row: tuple[dict[str, Any]]) -> dict[str, Any]:
    """An account without what is filled in for Supabase Auth."""
    return {name: value for name, value in row[0].items() if value not in (None, "", NIL)}
