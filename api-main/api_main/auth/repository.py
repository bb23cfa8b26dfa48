"""The account tables, as `auth_admin`: the one role that may touch them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

import psycopg
from sqlalchemy import Boolean, ColumnElement, func, or_, true
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, delete, select

from api_main.auth.errors import EmailTaken
from api_main.auth.models import AuthenticationMethod, AuthSession, Profile, User, UserIdentity
from api_main.core.database import RlsReader, RlsSession
from api_main.core.prelude import Query

ONE_ACCOUNT_PER_EMAIL = "users_email_partial_key"
ONE_PROFILE_PER_USERNAME = "profiles_username_key"
SESSION_IS_LIVE = Query("select private.session_is_live()")
IS_SUPERUSER = Query("select private.is_superuser()")

Scope = Literal["local", "global", "others"]


async def find_user(session: RlsSession, email: str, *, lock: bool = False) -> User | None:
    """The account that signs in with this e-mail; single sign-on may have another of the same e-mail.

    Locked, it is held until the transaction ends. Whoever changes what is an account's locks the account first.
    """
    statement = select(User).where(col(User.email) == email, ~col(User.is_sso_user), col(User.deleted_at).is_(None))
    return (await session.exec(statement.with_for_update() if lock else statement)).one_or_none()


async def find_owner(session: RlsSession, email: str | None) -> UUID | None:
    """The account because of which nobody can sign up with this e-mail: `ONE_ACCOUNT_PER_EMAIL`."""
    return (await session.exec(select(User.id).where(col(User.email) == email, ~col(User.is_sso_user)))).one_or_none()


async def get_user(session: RlsSession, user_id: UUID) -> User | None:
    return await session.get(User, user_id)


async def lock_user(session: RlsSession, user_id: UUID) -> User | None:
    """The account, held until the transaction ends."""
    statement = select(User).where(col(User.id) == user_id).with_for_update()
    return (await session.exec(statement)).one_or_none()


async def list_users(session: RlsSession, *, offset: int, limit: int, words: str) -> tuple[list[User], int]:
    """A page of accounts, the newest first, and how many there are in all."""
    matching: ColumnElement[bool] = true()
    if words:
        full_name = col(User.raw_user_meta_data)["full_name"].astext
        matching = or_(col(User.email).contains(words, autoescape=True), full_name.icontains(words, autoescape=True))
    page = select(User).where(matching).order_by(col(User.created_at).desc(), col(User.id)).offset(offset).limit(limit)
    total = (await session.exec(select(func.count()).select_from(User).where(matching))).one()
    return list(await session.exec(page)), total


async def may_sign_in(session: RlsSession, user_id: UUID) -> bool:
    return (await session.exec(select(func.private.may_sign_in(user_id, type_=Boolean)))).one()


async def add_user(session: RlsSession, user: User) -> list[UserIdentity]:
    """Add an account, with an identity if it has an e-mail.

    Raises:
        sqlalchemy.exc.IntegrityError: the e-mail has an account already.
    """
    session.add(user)
    await session.flush()
    if user.email is None:
        return []
    identity = email_identity(user)
    session.add(identity)
    await session.flush()
    return [identity]


async def add_users(session: RlsSession, users: Sequence[User]) -> None:
    """Add accounts that have e-mails, in a few statements.

    Raises:
        sqlalchemy.exc.IntegrityError: one of the e-mails has an account already.
    """
    session.add_all(users)
    await session.flush()
    session.add_all([email_identity(user) for user in users])
    await session.flush()


def email_identity(user: User) -> UserIdentity:
    """The identity of an account that signs in with its e-mail."""
    verified = {"email_verified": user.email_confirmed_at is not None, "phone_verified": False}
    return UserIdentity(
        user_id=user.id,
        provider_id=str(user.id),
        identity_data={"sub": str(user.id), "email": user.email, **verified},
        last_sign_in_at=datetime.now(UTC),  # as Supabase Auth has it, whoever makes the account
    )


@contextmanager
def refusing_a_taken_email() -> Iterator[None]:
    """Say that an e-mail has an account, where a statement would have given it another.

    Raises:
        EmailTaken
    """
    try:
        yield
    except IntegrityError as error:
        if not breaks(error, ONE_ACCOUNT_PER_EMAIL):
            raise
        raise EmailTaken(field="email") from None


def breaks(error: IntegrityError, constraint: str) -> bool:
    """Whether it is this constraint that a statement would have broken."""
    return isinstance(error.orig, psycopg.Error) and error.orig.diag.constraint_name == constraint


async def get_identities(session: RlsSession, user_ids: Sequence[UUID]) -> dict[UUID, list[UserIdentity]]:
    """The identities of accounts, by account."""
    found: dict[UUID, list[UserIdentity]] = {user_id: [] for user_id in user_ids}
    statement = (
        select(UserIdentity).where(col(UserIdentity.user_id).in_(user_ids)).order_by(col(UserIdentity.created_at))
    )
    for identity in await session.exec(statement):
        found[identity.user_id].append(identity)
    return found


async def get_session(session: RlsSession, session_id: UUID) -> AuthSession | None:
    return await session.get(AuthSession, session_id)


async def lock_session(session: RlsSession, session_id: UUID) -> AuthSession | None:
    """The session, held until the transaction ends: refreshes of one session happen one after another."""
    statement = select(AuthSession).where(col(AuthSession.id) == session_id).with_for_update()
    return (await session.exec(statement)).one_or_none()


async def get_method(session: RlsSession, begun: AuthSession) -> AuthenticationMethod:
    """How a session was begun."""
    statement = select(AuthenticationMethod).where(col(AuthenticationMethod.session_id) == begun.id)
    found = (await session.exec(statement.order_by(col(AuthenticationMethod.created_at)))).first()
    return found or AuthenticationMethod(
        session_id=begun.id, authentication_method="password", created_at=begun.created_at
    )


async def delete_sessions(session: RlsSession, *, user_id: UUID, current: UUID | None, scope: Scope) -> None:
    this = col(AuthSession.id) == current
    which: dict[Scope, ColumnElement[bool]] = {"local": this, "others": ~this, "global": true()}
    await session.exec(delete(AuthSession).where(col(AuthSession.user_id) == user_id, which[scope]))


async def session_is_live(reader: RlsReader) -> bool:
    """Whether the caller's own session still exists and their account may act. As the caller, not `auth_admin`."""
    [[(live,)]] = await reader.fetch(SESSION_IS_LIVE)
    return live == b"t"


async def is_superuser(reader: RlsReader) -> bool:
    """Whether the caller is a superuser now, whatever their token says."""
    [[(found,)]] = await reader.fetch(IS_SUPERUSER)
    return found == b"t"


async def get_profile(session: RlsSession, user_id: UUID) -> Profile | None:
    """A profile that the caller may see."""
    return await session.get(Profile, user_id)


async def set_email_identity(session: RlsSession, user: User) -> None:
    """Give an account the identity that belongs to its e-mail."""
    wanted = email_identity(user)
    for identity in (await get_identities(session, [user.id]))[user.id]:
        if identity.provider == "email":
            identity.identity_data = wanted.identity_data
            return
    session.add(wanted)
    await session.flush()


async def delete_identities(session: RlsSession, user_id: UUID) -> None:
    await session.exec(delete(UserIdentity).where(col(UserIdentity.user_id) == user_id))


async def find_email_change(session: RlsSession, new_email: str) -> User | None:
    """The account that is about to get this e-mail."""
    statement = select(User).where(col(User.email_change) == new_email).order_by(col(User.updated_at).desc())
    return (await session.exec(statement.limit(1))).first()
