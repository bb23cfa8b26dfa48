"""Requests with an Idempotency-Key, and what became of them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, LiteralString
from uuid import uuid4

import httpx
import psycopg
from psycopg import sql

from tests.auth.calls import AUTH, PASSWORD
from tests.people import Person

TASKS = "/api/v1/tasks"
ARCHIVE = b"PK\x05\x06" + bytes(18)  # an empty one: what is in it is a worker's business
CSV = b"title\nOnly once\n"

# Every POST that creates: its path, and how it is asked.
CREATIONS: Mapping[str, Mapping[str, Any]] = {
    TASKS: {"json": {"title": "Only once"}},
    f"{TASKS}/bulk": {"json": {"create": [{"title": "Only once"}, {"title": "And this"}]}},
    "/api/v1/jobs": {"json": {"kind": "tasks.export", "format": "csv"}},
    "/api/v1/jobs/import": {"content": CSV, "headers": {"Content-Type": "text/csv"}},
    "/api/v1/jobs/images": {
        "params": {"operation": "hash"},
        "content": ARCHIVE,
        "headers": {"Content-Type": "application/zip"},
    },
    "/api/v1/tokens": {"json": {"name": "Backup", "scopes": ["tasks:read"]}},
}
CREATED = "select (select count(*) from public.tasks where owner_id = %(owner)s),\
 (select count(*) from public.jobs where owner_id = %(owner)s),\
 (select count(*) from public.api_tokens where owner_id = %(owner)s)"

WAITING = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and application_name = 'api-main'"
SIGN_UPS = """
select k.key_digest, k.request_digest, k.answer from public.idempotency_keys k
join auth.users u on u.id = k.owner_id where u.email = %s
"""


def new_key() -> str:
    return str(uuid4())


async def post(http: httpx.AsyncClient, person: Person, path: str, key: str | None, **options: Any) -> httpx.Response:
    chosen = {"Idempotency-Key": key} if key is not None else {}
    headers = {**person.headers, **options.pop("headers", {}), **chosen}
    return await http.post(path, headers=headers, **options)


async def sign_up(
    http: httpx.AsyncClient, email: str, key: str | None, password: str = PASSWORD, path: str = "register"
) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return await http.post(f"{AUTH}/{path}", json={"email": email, "password": password}, headers=headers)


def kept(admin: psycopg.Connection[Any], email: str) -> list[tuple[bytes, ...]]:
    return admin.execute(SIGN_UPS, (email,)).fetchall()


def created(admin: psycopg.Connection[Any], person: Person) -> int:
    """How many tasks, jobs and tokens a person has."""
    row = admin.execute(CREATED, {"owner": person.id}).fetchone()
    assert row is not None
    total: int = sum(row)
    return total


@contextmanager
def held(admin_url: str, table: LiteralString) -> Iterator[None]:
    """Nobody writes to a table meanwhile."""
    with psycopg.connect(admin_url) as connection:
        connection.execute(sql.SQL("lock table {} in share mode").format(sql.SQL(table)))
        yield


async def waits(admin: psycopg.Connection[Any]) -> bool:
    """Whether a request has come to what is held."""
    return admin.execute(WAITING).fetchone() == (1,)


def is_replay(answer: httpx.Response) -> bool:
    return "Idempotency-Replayed" in answer.headers
