"""Users and tasks that a number names: every program of the benchmark can tell whose is what without asking."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import md5
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from api_main.auth.generate import generate_signing_key
from api_main.core.settings import Settings
from tests.people import claims, sign

PUBLIC_URL = "https://api.example.com"

USERS = """
insert into auth.users (id, aud, role, email)
select md5('user ' || n)::uuid, 'authenticated', 'authenticated', 'user-' || n || '@example.com'
from generate_series(1, %(users)s) n
"""
SESSIONS = """
insert into auth.sessions (id, user_id)
select md5('session ' || n)::uuid, md5('user ' || n)::uuid from generate_series(1, %(users)s) n
"""
# Task by task to the next user, so that the tasks of one user lie scattered over the whole table, as they do
# where many people write at once.
TASKS = """
insert into public.tasks (id, owner_id, title, description, status, priority, due_at, created_at, updated_at)
select md5('task ' || n)::uuid, md5('user ' || (n - 1) %% %(users)s + 1)::uuid, 'Task number ' || n,
  'A description of about the length that people write, two lines of text or so, which is number ' || n,
  (enum_range(null::public.task_status))[turn %% 4 + 1], (enum_range(null::public.task_priority))[turn / 4 %% 4 + 1],
  case when n %% 3 > 0 then now() + n %% 1000 * interval '1 hour' end, made_at, made_at
from generate_series(1, %(tasks)s) n,
  lateral (select (n - 1) / %(users)s as turn, now() - (%(tasks)s - n) * interval '1 second' as made_at) m
"""
INDEXES = """
select i.indexname, i.indexdef from pg_indexes i
where i.schemaname = 'public' and i.tablename = 'tasks'
  and not exists (select from pg_constraint c where c.conname = i.indexname)
"""


@dataclass(frozen=True)
class Caller:
    """A user who owns tasks: the number, a token, and the id of their first task."""

    number: int
    token: str

    @property
    def id(self) -> UUID:
        return named("user", self.number)

    @property
    def task(self) -> UUID:
        return named("task", self.number)


def named(kind: str, number: int) -> UUID:
    """The id of a user, a session or a task, as the SQL above makes it."""
    return UUID(md5(f"{kind} {number}".encode(), usedforsecurity=False).hexdigest())


def fill(admin_url: str, *, users: int, tasks: int) -> None:
    """Insert users and tasks as the administrator, and leave the tables as autovacuum would have."""
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(USERS, {"users": users})
        admin.execute(SESSIONS, {"users": users})
        with _indexes_made_afterwards(admin):
            admin.execute(TASKS, {"users": users, "tasks": tasks})
        admin.execute("vacuum (analyze)")
        admin.execute("checkpoint")


@contextmanager
def _indexes_made_afterwards(admin: psycopg.Connection[tuple[Any, ...]]) -> Iterator[None]:
    """Made of all tasks at once, they take a fraction of the time."""
    indexes = admin.execute(INDEXES).fetchall()
    for name, _definition in indexes:
        admin.execute(sql.SQL("drop index {}").format(sql.Identifier("public", name)))
    yield
    admin.execute("set maintenance_work_mem = '512MB'")
    for _name, definition in indexes:
        admin.execute(definition.encode())


def new_signing_keys() -> str:
    return json.dumps([generate_signing_key()])


def callers(count: int, signing_keys: str) -> list[Caller]:
    """The first users, each with a token signed by this key."""
    settings = Settings(
        _env_file=None, database_url="postgresql://", jwt_signing_keys=signing_keys, public_url=PUBLIC_URL
    )
    return [Caller(number, _token(settings, number)) for number in range(1, count + 1)]


def _token(settings: Settings, number: int) -> str:
    return sign(settings, claims(settings, named("user", number), named("session", number)))
