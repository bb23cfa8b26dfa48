"""`supabase/config.toml` and `supabase/seed.sql`, through the Supabase CLI where it needs no Docker."""

import base64
import json
import os
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import bcrypt
import psycopg
import pytest

from api_main.auth.generate import generate_signing_key
from api_main.core.settings import Settings
from tests.postgres_servers import require
from tests.supabase_project.conftest import NewProject

ROOT = Path(__file__).resolve().parents[2]
CLI = ROOT / "node_modules" / ".bin" / "supabase"
CONFIG: dict[str, Any] = tomllib.loads((ROOT / "supabase" / "config.toml").read_text(encoding="utf-8"))
SEED = (ROOT / "supabase" / "seed.sql").read_bytes()
PASSWORD = b"correct-horse-demo"
SECONDS = 300


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A copy of `supabase/` with a signing key, as somebody has it who follows the comment in config.toml."""
    require(CLI.exists(), "The Supabase CLI")
    shutil.copytree(ROOT / "supabase", tmp_path / "supabase", ignore=shutil.ignore_patterns(".temp", "*.json"))
    (tmp_path / "supabase" / "signing_keys.json").write_text(json.dumps([generate_signing_key()]), encoding="utf-8")
    return tmp_path


def supabase(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [CLI, *arguments],
        cwd=directory,
        env={"PATH": os.environ["PATH"], "HOME": str(directory), "SUPABASE_TELEMETRY_DISABLED": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def test_the_cli_knows_every_key_and_signs_with_our_key(directory: Path) -> None:
    done = supabase(directory, "gen", "bearer-jwt", "--role", "authenticated")
    assert done.returncode == 0, done.stderr
    assert "WARN" not in done.stderr
    header, claims = (_decode(part) for part in done.stdout.strip().split(".")[:2])
    assert (header["alg"], claims["exp"] - claims["iat"]) == ("ES256", CONFIG["auth"]["jwt_expiry"])


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("jwt_expiry = 1800", 'jwt_expiry = "soon"'), "Invalid auth.jwt_expiry"),
        (("otp_expiry", "otp_expires"), "WARN"),
    ],
)
def test_the_cli_would_complain(directory: Path, change: tuple[str, str], complaint: str) -> None:
    config = directory / "supabase" / "config.toml"
    config.write_text(config.read_text(encoding="utf-8").replace(*change), encoding="utf-8")
    assert complaint in supabase(directory, "gen", "bearer-jwt", "--role", "authenticated").stderr


def test_accounts_are_kept_under_the_same_rules_as_in_standalone_mode() -> None:
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    auth, email = CONFIG["auth"], CONFIG["auth"]["email"]
    assert auth["site_url"] == defaults["site_url"]
    assert auth["jwt_expiry"] == defaults["access_token_seconds"]
    assert auth["minimum_password_length"] == defaults["password_min_length"]
    assert auth["refresh_token_reuse_interval"] == defaults["refresh_reuse_seconds"]
    assert auth["enable_signup"] == defaults["sign_up_enabled"]
    assert auth["enable_anonymous_sign_ins"] == defaults["anonymous_users_enabled"]
    assert email["enable_confirmations"] is not defaults["email_autoconfirm"]
    assert email["double_confirm_changes"] == defaults["email_change_confirms_both"]
    assert email["secure_password_change"] == defaults["password_change_needs_reauthentication"]
    assert email["otp_expiry"] == defaults["one_time_token_seconds"]
    assert email["max_frequency"] == f"{defaults['mail_interval_seconds']}s"


def test_no_schema_of_ours_but_public_is_exposed() -> None:
    assert CONFIG["api"]["schemas"] == ["public", "graphql_public"]
    assert CONFIG["api"]["auto_expose_new_tables"] is False


def test_a_push_with_the_seed_brings_accounts_that_can_sign_in(new_project: NewProject, directory: Path) -> None:
    url = new_project(migrated=False)
    done = supabase(directory, "db", "push", f"--remote={url}?sslmode=disable", "--include-seed", "--yes")
    assert done.returncode == 0, done.stderr
    with psycopg.connect(url) as connection:
        shown = connection.execute("select email, state, is_superuser, tasks from admin.users order by email")
        assert shown.fetchall() == [
            ("ada@example.com", "active", False, 5),
            ("admin@example.com", "active", True, 0),
            ("grace@example.com", "active", False, 5),
        ]
        hashes = connection.execute("select distinct encrypted_password from auth.users").fetchall()
        assert [bcrypt.checkpw(PASSWORD, hashed.encode()) for (hashed,) in hashes] == [True]
        [(_, _, hook, name)] = [CONFIG["auth"]["hook"]["custom_access_token"]["uri"].split("/")[1:]]
        assert connection.execute("select to_regproc(%s) is not null", [f"{hook}.{name}"]).fetchone() == (True,)


def test_seeding_again_changes_nothing(new_project: NewProject) -> None:
    with psycopg.connect(new_project()) as connection:
        connection.execute(SEED)
        connection.execute("delete from public.tasks where title = 'Order punched cards'")
        before = _everything(connection)
        connection.execute(SEED)
        assert _everything(connection) == before


def test_real_accounts_never_get_demo_accounts_beside_them(new_project: NewProject) -> None:
    with psycopg.connect(new_project()) as connection:
        connection.execute("insert into auth.users (email) values ('real@example.com')")
        connection.execute(SEED)
        assert connection.execute("select email from auth.users").fetchall() == [("real@example.com",)]


def test_supabase_auth_can_read_every_seeded_account(new_project: NewProject) -> None:
    """It finds accounts by the nil instance, and fails on a token that is null (supabase/auth#1940)."""
    with psycopg.connect(new_project()) as connection:
        connection.execute(SEED)
        unreadable = connection.execute("""
            select email from auth.users
            where instance_id is distinct from '00000000-0000-0000-0000-000000000000' or concat_ws(
              ',', confirmation_token, recovery_token, email_change, email_change_token_new,
              email_change_token_current, phone_change, phone_change_token, reauthentication_token) <> ',,,,,,,'
        """)
        assert unreadable.fetchall() == []


def _decode(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def _everything(connection: psycopg.Connection) -> list[Any]:
    statement = "select u::text from auth.users u union all select t::text from public.tasks t order by 1"
    return connection.execute(statement).fetchall()
