"""What stands in for Supabase on a plain PostgreSQL: it may be run again, and it answers as Supabase does."""

import json
from typing import Any, LiteralString
from uuid import UUID

import psycopg
import pytest
from psycopg.errors import InvalidTextRepresentation
from sqlmodel import SQLModel

from api_main.auth.models import AuthSession, User, UserIdentity
from api_main.migrations.setup import prepare_database
from tests.migrations.databases import history, rows, run_prelude, schema
from tests.postgres_servers import Server

ADA, BOB = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
CLAIMS = {"sub": ADA, "role": "authenticated", "email": "ada@example.com"}
ADA_ASKS = {"request.jwt.claims": json.dumps(CLAIMS)}
NOBODY = (None, None, None, None)
ADA_ANSWERED = (UUID(ADA), "authenticated", "ada@example.com", CLAIMS)
ANSWERS: LiteralString = "select auth.uid(), auth.role(), auth.email(), auth.jwt()"


@pytest.fixture(scope="module")
def url(any_server: Server) -> str:
    url = any_server.url(any_server.new_database())
    run_prelude(url)
    return url


def test_running_it_again_changes_nothing(any_server: Server) -> None:
    url = any_server.url(any_server.new_database())
    run_prelude(url)
    before = _catalogue(url)
    run_prelude(url)
    assert _catalogue(url) == before


def _catalogue(url: str) -> list[tuple[Any, ...]]:
    """Roles and what they have, relations and functions with their grants: on every version."""
    return rows(
        url,
        """
        select rolname::text, rolsuper, rolinherit, rolcanlogin, rolbypassrls, rolconfig::text from pg_roles
        union all select relname::text, false, false, false, false, relacl::text from pg_class
        union all select proname::text, false, false, false, false, proacl::text from pg_proc
        order by 1, 6
        """,
    )


def test_preparing_a_database_again_changes_nothing(server: Server) -> None:
    url = server.url(server.new_database())
    prepare_database(url, login_password="first")
    before = schema(url), history(url)
    prepare_database(url, login_password=None)
    assert (schema(url), history(url)) == before


def test_a_second_database_of_the_same_server_is_prepared_as_well(any_server: Server) -> None:
    for _ in range(2):
        name = any_server.new_database()
        prepare_database(any_server.url(name), login_password="of-the-api")
        with psycopg.connect(any_server.url(name, user="api_main", password="of-the-api")) as connection:
            connection.execute("set role authenticated")
            assert connection.execute("select count(*) from public.tasks").fetchall() == [(0,)]


@pytest.mark.parametrize(
    ("settings", "answers"),
    [
        pytest.param({}, NOBODY, id="no-setting"),
        pytest.param({"request.jwt.claims": ""}, NOBODY, id="a-setting-that-was-reset"),
        pytest.param({"request.jwt.claims": "{}"}, (None, None, None, {}), id="no-claims"),
        pytest.param(ADA_ASKS, ADA_ANSWERED, id="claims"),
        pytest.param({**ADA_ASKS, "request.jwt.claim.sub": ""}, ADA_ANSWERED, id="a-blank-legacy-setting"),
        pytest.param(
            {**ADA_ASKS, "request.jwt.claim.sub": BOB, "request.jwt.claim.role": "anon"},
            (UUID(BOB), "anon", *ADA_ANSWERED[2:]),
            id="legacy-settings-win",
        ),
        pytest.param(
            {**ADA_ASKS, "request.jwt.claim.email": "bob@example.com", "request.jwt.claim": '{"aal": "aal2"}'},
            (*ADA_ANSWERED[:2], "bob@example.com", {"aal": "aal2"}),
            id="legacy-email-and-token-win",
        ),
    ],
)
@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role", "auth_admin"])
def test_who_asks_is_answered_as_on_supabase(
    url: str, role: str, settings: dict[str, str], answers: tuple[Any, ...]
) -> None:
    with psycopg.connect(url) as connection:
        _set(connection, {"role": role, **settings})
        assert connection.execute(ANSWERS).fetchone() == answers


@pytest.mark.parametrize("claims", ["not JSON", '{"sub": "not a UUID"}'])
def test_claims_that_cannot_be_read_are_nobodys(url: str, claims: str) -> None:
    with psycopg.connect(url) as connection:
        _set(connection, {"request.jwt.claims": claims})
        with pytest.raises(InvalidTextRepresentation):
            connection.execute(ANSWERS)


def _set(connection: psycopg.Connection, settings: dict[str, str]) -> None:
    for setting in settings.items():
        connection.execute("select set_config(%s, %s, true)", setting)


def test_the_roles_are_those_of_supabase(url: str) -> None:
    attributes = """
        select rolname, rolcanlogin, rolinherit, rolbypassrls, rolconfig from pg_roles
        where rolname in ('anon', 'authenticated', 'service_role') order by rolname
    """
    assert rows(url, attributes) == [
        ("anon", False, False, False, ["statement_timeout=3s"]),
        ("authenticated", False, False, False, ["statement_timeout=8s"]),
        ("service_role", False, False, True, None),
    ]


@pytest.mark.parametrize("model", [User, UserIdentity, AuthSession])
def test_the_account_tables_have_every_column_of_the_models(url: str, model: type[SQLModel]) -> None:
    table = model.metadata.tables[f"auth.{model.__tablename__}"]
    columns = rows(url, "select attname from pg_attribute where attrelid = %s::regclass", str(table))
    assert set(table.columns.keys()) <= {name for (name,) in columns}
