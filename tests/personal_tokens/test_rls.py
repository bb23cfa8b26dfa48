"""`public.api_tokens` straight in SQL: what Postgres itself lets each role do."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from tests.people import Person
from tests.personal_tokens.conftest import NewToken

READABLE = "id, owner_id, name, scopes, hint, expires_at, last_used_at, created_at"


@contextmanager
def acting_as(api_url: str, role: str, person: Person | None = None) -> Iterator[psycopg.Connection[Any]]:
    claims = {} if person is None else {"sub": str(person.id), "role": role}
    with psycopg.connect(api_url) as connection:
        connection.execute("select set_config('role', %s, true)", (role,))
        connection.execute("select set_config('request.jwt.claims', %s, true)", (json.dumps(claims),))
        yield connection
        connection.rollback()


async def test_an_owner_sees_and_revokes_their_own_and_nobody_elses(
    api_url: str, ada: Person, bob: Person, new_token: NewToken
) -> None:
    mine, theirs = await new_token(ada), await new_token(bob)
    with acting_as(api_url, "authenticated", ada) as connection:
        seen = connection.execute(f"select {READABLE} from public.api_tokens").fetchall()
        assert [str(row[0]) for row in seen] == [mine["id"]]
        gone = connection.execute("delete from public.api_tokens returning id").fetchall()
        assert [str(row[0]) for row in gone] == [mine["id"]]
        assert connection.execute("delete from public.api_tokens where id = %s", (theirs["id"],)).rowcount == 0


@pytest.mark.parametrize("columns", ["digest", "*", "count(digest)", "to_jsonb(t)"])
async def test_no_api_role_reads_a_digest(api_url: str, ada: Person, new_token: NewToken, columns: str) -> None:
    await new_token(ada)
    for role in ("authenticated", "anon"):
        with (
            acting_as(api_url, role, ada) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(f"select {columns} from public.api_tokens t")


FORBIDDEN = {
    "another's": "insert into public.api_tokens (owner_id, name, scopes, hint, digest)"
    " values ('{bob}', 'x', '{{tasks:read}}', 'x', 'x')",
    "a use": "insert into public.api_tokens (name, scopes, hint, digest, last_used_at)"
    " values ('x', '{{tasks:read}}', 'x', 'x', now())",
    "more scopes": "update public.api_tokens set scopes = '{{tasks:write}}'",
    "a longer life": "update public.api_tokens set expires_at = null",
    "another digest": "update public.api_tokens set digest = 'x'",
    "all of them": "truncate public.api_tokens",
    "somebody's owner": "select * from private.use_api_token('x')",
}


@pytest.mark.parametrize("what", FORBIDDEN)
async def test_nobody_writes_what_is_not_theirs_to_say(
    api_url: str, ada: Person, bob: Person, new_token: NewToken, what: str
) -> None:
    await new_token(ada, ["tasks:read"])
    with (
        acting_as(api_url, "authenticated", ada) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(FORBIDDEN[what].format(bob=bob.id))


async def test_strangers_see_nothing_and_learn_nothing_without_a_digest(
    api_url: str, ada: Person, new_token: NewToken
) -> None:
    await new_token(ada)
    with acting_as(api_url, "anon") as connection:
        assert connection.execute("select * from private.use_api_token('x')").fetchall() == []
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("select id from public.api_tokens")


async def test_tokens_go_with_their_owner(admin: psycopg.Connection[Any], ada: Person, new_token: NewToken) -> None:
    await new_token(ada)
    admin.execute("delete from auth.users where id = %s", (ada.id,))
    left = admin.execute("select count(*) from public.api_tokens where owner_id = %s", (ada.id,)).fetchone()
    assert left == (0,)
