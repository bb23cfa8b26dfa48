"""The account tables, as `auth_admin`: the one role that may touch them."""

from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

import psycopg
from sqlalchemy import Boolean, ColumnElement, func, true
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, delete, select, update

from api_main.auth.models import AuthSession, Profile, User, UserIdentity
from api_main.core.database import RlsReader, RlsSession
from api_main.core.prelude import Query

ONE_ACCOUNT_PER_EMAIL = "users_email_partial_key"
ONE_PROFILE_PER_USERNAME = "profiles_username_key"
SESSION_IS_LIVE = Query("select private.session_is_live()")

Scope = Literal["local", "global", "others"]


async def find_user(session: RlsSession, email: str) -> User | None:
    """The account that signs in with this e-mail; single sign-on may have another of the same e-mail."""
    return (await session.exec(select(User).where(User.email == email, ~col(User.is_sso_user)))).one_or_none()


async def get_user(session: RlsSession, user_id: UUID) -> User | None:
    return await session.get(User, user_id)


async def may_sign_in(session: RlsSession, user_id: UUID) -> bool:
    return (await session.exec(select(func.private.may_sign_in(user_id, type_=Boolean)))).one()


async def add_user(session: RlsSession, user: User) -> None:
    """Add an account that signs in with its e-mail and a password.

    Raises:
        sqlalchemy.exc.IntegrityError: the e-mail has an account already.
    """
    session.add(user)
    await session.flush()
    identity = {"sub": str(user.id), "email": user.email, "email_verified": True}
    session.add(UserIdentity(user_id=user.id, provider="email", provider_id=str(user.id), identity_data=identity))


def breaks(error: IntegrityError, constraint: str) -> bool:
    """Whether it is this constraint that a statement would have broken."""
    return isinstance(error.orig, psycopg.Error) and error.orig.diag.constraint_name == constraint


async def lock_session(session: RlsSession, session_id: UUID) -> AuthSession | None:
    """The session, held until the transaction ends: refreshes of one session happen one after another."""
    statement = select(AuthSession).where(AuthSession.id == session_id).with_for_update()
    return (await session.exec(statement)).one_or_none()


async def delete_sessions(session: RlsSession, *, user_id: UUID, current: UUID | None, scope: Scope) -> None:
    this = col(AuthSession.id) == current
    which: dict[Scope, ColumnElement[bool]] = {"local": this, "others": ~this, "global": true()}
    await session.exec(delete(AuthSession).where(col(AuthSession.user_id) == user_id, which[scope]))


async def set_password(session: RlsSession, user_id: UUID, hashed: str) -> None:
    changes = {"encrypted_password": hashed, "updated_at": datetime.now(UTC)}
    await session.exec(update(User).where(col(User.id) == user_id).values(changes))


async def session_is_live(reader: RlsReader) -> bool:
    """Whether the caller's own session still exists and their account may act. As the caller, not `auth_admin`."""
    [[(live,)]] = await reader.fetch(SESSION_IS_LIVE)
    return live == b"t"


async def get_profile(session: RlsSession, user_id: UUID) -> Profile | None:
    """A profile that the caller may see."""
    return await session.get(Profile, user_id)
