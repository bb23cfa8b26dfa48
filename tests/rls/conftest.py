"""A database of four people, and the two doors to it on a pool of one connection."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest

from api_main.core.database import Database
from api_main.core.settings import Settings
from tests.conftest import NewPerson
from tests.people import Person
from tests.rls.stage import Stage


def _with_rows(admin: psycopg.Connection[Any], person: Person) -> Person:
    """An account and a session they have already."""
    admin.execute("insert into public.tasks (owner_id, title) values (%s, 'theirs')", (person.id,))
    admin.execute(
        "insert into public.task_embeddings (task_id, owner_id, model, model_version, embedding)"
        " select id, owner_id, 'text-embedding', '1', array_fill(1, '{384}') from public.tasks where owner_id = %s",
        (person.id,),
    )
    admin.execute(
        "insert into auth.identities (user_id, provider_id, provider, identity_data) values (%s, %s, 'email', '{}')",
        (person.id, str(person.id)),
    )
    admin.execute(
        "insert into public.api_tokens (owner_id, name, scopes, hint, digest)"
        " values (%s, 'theirs', '{tasks:read}', 'x', %s)",
        (person.id, str(person.id)),
    )
    admin.execute(
        "with job as (insert into public.jobs (owner_id, kind) values (%s, 'tasks.report') returning id)"
        " insert into public.job_files (job_id, purpose, part, content) select id, 'result', 0, '' from job",
        (person.id,),
    )
    admin.execute(
        "insert into public.idempotency_keys (owner_id, key_digest, request_digest, answer, expires_at)"
        " values (%s, sha256('theirs'), sha256('theirs'), '', now() - interval '1 second')",
        (person.id,),
    )
    admin.execute(
        "insert into private.presences (channel, user_id, process) values ('theirs', %s, gen_random_uuid())",
        (person.id,),
    )
    admin.execute(
        "insert into auth.mfa_amr_claims (session_id, authentication_method) values (%s, 'password')", (person.session,)
    )
    admin.execute(
        "insert into auth.one_time_tokens (user_id, token_type, token_hash, relates_to)"
        " values (%s, 'phone_change_token', %s, '')",
        (person.id, str(person.id)),
    )
    admin.execute(
        "insert into auth.flow_state (user_id, provider_type, authentication_method)"
        " values (%s, 'recovery', 'recovery')",
        (person.id,),
    )
    return person


@pytest.fixture(scope="session")
def stage(new_person: NewPerson, admin: psycopg.Connection[Any], api_url: str) -> Iterator[Stage]:
    people = {
        "ada": new_person(),
        "bob": new_person(),
        "superuser": new_person(superuser=True),
        "ex-superuser": new_person(superuser=True),
    }
    admin.execute("update public.profiles set is_active = false where id = %s", (people["ex-superuser"].id,))
    new_person(superuser=True)  # one who stays, or the others could not be deleted
    everybody = {name: _with_rows(admin, person) for name, person in people.items()}
    with psycopg.connect(api_url, autocommit=True) as login:
        yield Stage(everybody, login, admin)


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    """A pool of one connection: what one transaction leaves on it, the next one finds."""
    one = Database(settings.model_copy(update={"database_pool_min": 1, "database_pool_max": 1}))
    await one.open()
    yield one
    await one.close()
