"""Who asks, and what there is to ask for: four people with a row in every table, and roles behind which is nobody."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import psycopg

from api_main.core.prelude import PRELUDE, Identity
from tests.people import Person

Cursor = psycopg.RawCursor[Any]


@dataclass(frozen=True)
class Caller:
    """A role, and whose claims it carries. Without a role: the bare login of the API."""

    role: str | None
    claims_of: str | None = None
    is_a_stranger: bool = False  # a subject without an account
    as_administrator: bool = False  # the API's login may not become this role


CALLERS = {
    "the login": Caller(None),
    "nobody": Caller("anon"),
    "an impostor": Caller("anon", claims_of="ada"),
    "no claims": Caller("authenticated"),
    "a stranger": Caller("authenticated", is_a_stranger=True),
    "ada": Caller("authenticated", claims_of="ada"),
    "bob": Caller("authenticated", claims_of="bob"),
    "superuser": Caller("authenticated", claims_of="superuser"),
    "ex-superuser": Caller("authenticated", claims_of="ex-superuser"),
    "auth_admin": Caller("auth_admin"),
    "embedder": Caller("embedder"),
    "job_worker": Caller("job_worker"),
    "service_role": Caller("service_role", as_administrator=True),
}


@dataclass(frozen=True)
class Table:
    """How to ask for a table's rows: the column that names their person, a harmless change, a new row for `$1`."""

    owner: str
    change: str
    insert: str


TABLES = {
    "public.tasks": Table("owner_id", "title = 'changed'", "(owner_id, title) values ($1, 'new')"),
    "public.profiles": Table("id", "full_name = 'changed'", "(id) values ($1) on conflict do nothing"),
    "public.api_tokens": Table(
        "owner_id",
        "name = 'changed'",
        "(owner_id, name, scopes, hint, digest) values ($1, 'new', '{tasks:read}', 'new', gen_random_uuid()::text)",
    ),
    "public.task_embeddings": Table(
        "owner_id",
        "model = 'changed'",
        "(task_id, owner_id, model, model_version, embedding) select id, $1, 'new', '1', array_fill(1, '{384}')"
        " from public.tasks where owner_id = $1 on conflict do nothing",
    ),
    "private.tasks_to_embed": Table(
        "(select t.owner_id from public.tasks t where t.id = task_id)",
        "claimed_until = now()",
        "(task_id) select id from public.tasks where owner_id = $1 on conflict do nothing",
    ),
    "public.jobs": Table("owner_id", "state = 'running'", "(owner_id, kind) values ($1, 'tasks.export')"),
    "public.job_files": Table(
        "(select j.owner_id from public.jobs j where j.id = job_id)",
        "content = ''",
        "(job_id, purpose, part, content) select j.id, 'result', 1, '' from public.jobs j where j.owner_id = $1",
    ),
    "public.idempotency_keys": Table(
        "owner_id",
        "answer = ''",
        "(owner_id, key_digest, request_digest, answer) values ($1, sha256('new'), sha256('new'), '')",
    ),
    "public.live_feeds": Table(
        "owner_id", "last_id = last_id + 1", "(owner_id, last_id) values ($1, 1) on conflict do nothing"
    ),
    "public.live_events": Table(
        "owner_id", "change = 'updated'", "(owner_id, topic, change, subjects) values ($1, 'tasks', 'created', '{}')"
    ),
    "private.presences": Table(
        "user_id", "seen_at = now()", "(channel, user_id, process) values ('new', $1, gen_random_uuid())"
    ),
    # Who is made has an entry: the account's first.
    "private.audit_log": Table(
        "subject_id", "action = 'was.changed'", "(action, actor_role, subject_id) values ('a.b', 'c', $1)"
    ),
    "auth.users": Table("id", "phone = null", "(id) select gen_random_uuid() where $1::uuid is not null"),
    "auth.sessions": Table("user_id", "user_agent = 'changed'", "(user_id) values ($1)"),
    "auth.identities": Table(
        "user_id",
        "identity_data = '{}'",
        "(user_id, provider_id, provider, identity_data) values ($1, gen_random_uuid(), 'test', '{}')",
    ),
    "auth.mfa_amr_claims": Table(
        "(select s.user_id from auth.sessions s where s.id = session_id)",
        "updated_at = now()",
        "(session_id, authentication_method) select s.id, 'test' from auth.sessions s where s.user_id = $1",
    ),
    "auth.one_time_tokens": Table(
        "user_id",
        "relates_to = 'changed'",
        "(user_id, token_type, token_hash, relates_to) values ($1, 'recovery_token', gen_random_uuid()::text, '')",
    ),
    "auth.flow_state": Table(
        "user_id",
        "auth_code = 'changed'",
        "(user_id, provider_type, authentication_method) values ($1, 'magiclink', 'magiclink')",
    ),
}


def identity_of(person: Person) -> Identity:
    """What Postgres is told when this person calls."""
    claims = {"sub": str(person.id), "role": "authenticated", "session_id": str(person.session)}
    return Identity("authenticated", json.dumps(claims))


@dataclass(frozen=True)
class Stage:
    people: Mapping[str, Person]
    login: psycopg.Connection[Any]
    admin: psycopg.Connection[Any]

    @property
    def ids(self) -> list[UUID]:
        return [person.id for person in self.people.values()]

    def own_id(self, caller: Caller) -> UUID | None:
        return self.people[caller.claims_of].id if caller.claims_of else None

    @contextmanager
    def enter(self, caller: Caller) -> Iterator[Cursor]:
        """A transaction as this caller, of which nothing stays."""
        connection = self.admin if caller.as_administrator else self.login
        with connection.transaction(force_rollback=True):
            cursor = psycopg.RawCursor(connection)
            if caller.role is not None:
                cursor.execute(PRELUDE, (caller.role, self._claims(caller), "0", "off", ""))
            yield cursor

    def _claims(self, caller: Caller) -> str:
        if caller.is_a_stranger:
            return json.dumps({"sub": str(uuid4()), "role": "authenticated"})
        return identity_of(self.people[caller.claims_of]).claims if caller.claims_of else ""
