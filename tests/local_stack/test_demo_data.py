"""Demo accounts for an empty database alone; secrets that are made once."""

import json
from pathlib import Path

import bcrypt
import jwt
import psycopg
import pytest

from api_main.auth.generate import generate_signing_key
from api_main.migrations.setup import prepare_database
from local_stack.data_directory import keep_secret
from local_stack.database import with_login
from local_stack.postgres import EmbeddedPostgres
from local_stack.seed import ACCOUNTS, DEMO_PASSWORD, demo_accounts, seed


@pytest.fixture
def empty_database(postgres: EmbeddedPostgres) -> str:
    """A database with the newest schema and nobody in it."""
    with psycopg.connect(postgres.url(), autocommit=True) as admin:
        admin.execute("drop database if exists demo_data with (force)")
        admin.execute("create database demo_data")
    address = postgres.url("demo_data")
    prepare_database(address, login_password=None)
    return address


def test_accounts_are_what_supabase_auth_would_have_made(empty_database: str) -> None:
    seed(empty_database)
    with psycopg.connect(empty_database) as admin:
        rows = admin.execute(
            """
            select u.email, u.encrypted_password, u.aud, u.role, u.confirmed_at is not null, u.raw_app_meta_data,
              i.provider, i.provider_id = u.id::text, i.email = u.email, p.is_superuser, count(t.id)
            from auth.users u join auth.identities i on i.user_id = u.id join public.profiles p on p.id = u.id
            left join public.tasks t on t.owner_id = u.id group by u.id, i.id, p.id order by u.email
            """
        ).fetchall()
    assert [(row[0], row[9], row[10]) for row in rows] == [
        ("ada@example.com", False, 5),
        ("admin@example.com", True, 0),
        ("grace@example.com", False, 5),
    ]
    for row in rows:
        assert bcrypt.checkpw(DEMO_PASSWORD.encode(), row[1].encode())
        assert row[1].startswith("$2b$12$")
        assert row[2:9] == (
            *("authenticated", "authenticated", True, {"provider": "email", "providers": ["email"]}),
            *("email", True, True),
        )


def test_a_second_time_changes_nothing(empty_database: str) -> None:
    seed(empty_database)
    with psycopg.connect(empty_database) as admin:
        admin.execute("delete from auth.users where email = 'grace@example.com'")
        admin.execute("delete from public.tasks")
    seed(empty_database)
    assert demo_accounts(empty_database) == ["ada@example.com", "admin@example.com"]
    with psycopg.connect(empty_database) as admin:
        assert admin.execute("select count(*) from public.tasks").fetchone() == (0,)


def test_no_demo_account_beside_a_real_one(empty_database: str) -> None:
    with psycopg.connect(empty_database) as admin:
        admin.execute("insert into auth.users (email) values ('somebody@example.org')")
    seed(empty_database)
    assert demo_accounts(empty_database) == []
    assert len(ACCOUNTS) == 3


def test_a_signing_key_signs_and_is_new_each_time() -> None:
    key = generate_signing_key()
    assert (key["kty"], key["crv"], key["alg"], key["use"], key["ext"]) == ("EC", "P-256", "ES256", "sig", True)
    assert key["key_ops"] == ["sign", "verify"]
    private = jwt.PyJWK.from_json(json.dumps(key))
    public = jwt.PyJWK.from_dict({name: key[name] for name in ("kty", "crv", "x", "y")}, "ES256")
    token = jwt.encode({"sub": "x"}, private.key, algorithm="ES256")
    assert jwt.decode(token, public.key, algorithms=["ES256"]) == {"sub": "x"}
    assert generate_signing_key()["kid"] != key["kid"]


def test_a_secret_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    first = keep_secret(tmp_path / "secret")
    assert len(first) >= 32
    assert keep_secret(tmp_path / "secret") == first
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("postgresql://postgres:p@h:1/d", "postgresql://api_main:n%40w@h:1/d"),
        ("postgres://h/d?user=postgres&password=p&sslmode=require", "postgres://api_main:n%40w@h/d?sslmode=require"),
        ("postgresql:///d?host=/s", "postgresql://api_main:n%40w@/d?host=/s"),
        ("postgresql://postgres.ref:p@pool/d", "postgresql://api_main.ref:n%40w@pool/d"),
        ("postgresql://u:p@/d?host=/a%20b&port=2", "postgresql://api_main:n%40w@/d?host=/a%20b&port=2"),
    ],
)
def test_the_login_is_exchanged_and_nothing_else(address: str, expected: str) -> None:
    assert with_login(address, "api_main", "n@w") == expected
