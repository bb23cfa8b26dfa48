"""What superusers write about accounts besides the accounts themselves: profiles, and a line in the audit log.

The functions refuse everybody else, at the moment of the change.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, or_, select

from api_main.auth import repository as accounts
from api_main.auth.errors import EmailTaken, UsernameTaken
from api_main.auth.models import Profile
from api_main.core.database import RlsSession
from api_main.core.errors import ApiError
from api_main.users import queries
from api_main.users.errors import LastSuperuser
from api_main.users.schemas import UserRead

A_SUPERUSER_IS_LEFT = "a_superuser_is_left"

CHANGE_PROFILES = text("""
select w.id from jsonb_to_recordset(:wanted) w (id uuid, changes jsonb)
where not private.change_profile(w.id, w.changes)
""").bindparams(bindparam("wanted", type_=JSONB))
NOTE = text("select private.note_administration(:action, :subject, :details)").bindparams(
    bindparam("details", type_=JSONB)
)
IS_LAST_SUPERUSER = text("select private.is_last_superuser(:account)")


async def change_profiles(session: RlsSession, changes: Mapping[UUID, Mapping[str, Any]]) -> list[UUID]:
    """Change profiles as the caller, who must be a superuser. The accounts that have none."""
    wanted = [{"id": str(user_id), "changes": dict(columns)} for user_id, columns in changes.items()]
    found = await (await session.connection()).execute(CHANGE_PROFILES, {"wanted": wanted})
    return [user_id for (user_id,) in found]


async def note(session: RlsSession, action: str, subject: UUID | None, details: Mapping[str, Any]) -> None:
    """Add to the audit log what no trigger sees."""
    values = {"action": action, "subject": subject, "details": dict(details)}
    await (await session.connection()).execute(NOTE, values)


async def is_last_superuser(session: RlsSession, user_id: UUID) -> bool:
    found: bool = (await (await session.connection()).execute(IS_LAST_SUPERUSER, {"account": user_id})).scalar_one()
    return found


async def taken(session: RlsSession, emails: Sequence[str], usernames: Sequence[str]) -> list[Profile]:
    """Profiles that have one of these e-mails or usernames."""
    statement = select(Profile).where(or_(col(Profile.email).in_(emails), col(Profile.username).in_(usernames)))
    return list(await session.exec(statement))


async def read(session: RlsSession, user_ids: Sequence[UUID]) -> list[UserRead]:
    """Accounts as they are in this transaction, in this order."""
    wanted = queries.several("{" + ",".join(map(str, user_ids)) + "}")
    rows = await (await session.connection()).exec_driver_sql(wanted.sql.replace("$1", "%s"), wanted.parameters)
    return [UserRead.model_validate(row if isinstance(row, dict) else json.loads(row)) for (row,) in rows]


@contextmanager
def conflicts() -> Iterator[None]:
    """Say what a statement would have broken.

    Raises:
        EmailTaken, UsernameTaken, LastSuperuser
    """
    try:
        yield
    except IntegrityError as error:
        for constraint, conflict in CONFLICTS.items():
            if accounts.breaks(error, constraint):
                raise conflict() from None
        raise


CONFLICTS: Mapping[str, Callable[[], ApiError]] = {
    accounts.ONE_ACCOUNT_PER_EMAIL: partial(EmailTaken, field="email"),
    accounts.ONE_PROFILE_PER_USERNAME: partial(UsernameTaken, field="username"),
    A_SUPERUSER_IS_LEFT: LastSuperuser,
}
