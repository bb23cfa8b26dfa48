"""People who use the API: an account, a live session and a token each."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg

from api_main.auth.issuers import own_issuer_name
from api_main.auth.signing import SigningKeys
from api_main.core.settings import Settings


@dataclass(frozen=True)
class Person:
    id: UUID
    email: str
    session: UUID
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


def create_person(
    admin: psycopg.Connection[Any], settings: Settings, *, superuser: bool = False, **columns: Any
) -> Person:
    """Insert an account (with these columns of `auth.users`) and a session, and sign a token for it."""
    person, session = uuid4(), uuid4()
    row = {
        "id": person,
        "aud": "authenticated",
        "role": "authenticated",
        "email": f"{person}@example.com",
        "email_confirmed_at": datetime.now(UTC),
        **columns,
    }
    names = ", ".join(row)
    values = ", ".join(f"%({name})s" for name in row)
    admin.execute(f"insert into auth.users ({names}) values ({values})", row)
    admin.execute("insert into auth.sessions (id, user_id) values (%s, %s)", (session, person))
    if superuser:
        admin.execute("update public.profiles set is_superuser = true where id = %s", (person,))
    return Person(person, row["email"], session, sign(settings, claims(settings, person, session)))


def claims(settings: Settings, subject: UUID, session: UUID | None = None, **changes: Any) -> dict[str, Any]:
    """The claims of a good token of ours; a change to None leaves the claim out."""
    now = int(time.time())
    good = {
        "iss": own_issuer_name(settings),
        "sub": str(subject),
        "aud": "authenticated",
        "exp": now + 1800,
        "iat": now,
        "role": "authenticated",
        "session_id": str(session or uuid4()),
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def sign(settings: Settings, payload: dict[str, Any]) -> str:
    return SigningKeys.parse(settings.signing_keys or "").sign(payload)
