"""What administrators do with accounts: list, create, change, ban, delete."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from api_main.auth import passwords, repository
from api_main.auth.account_changes import merged, withdraw_mailed
from api_main.auth.durations import parse_duration
from api_main.auth.errors import InvalidDuration, UserNotFound
from api_main.auth.events import SecurityEvent, record
from api_main.auth.models import User
from api_main.auth.service import AUTH_ADMIN, EMAIL_PROVIDER, SERVICE
from api_main.auth.user_object import UserObject, user_object
from api_main.core.database import Database, RlsSession
from api_main.core.prelude import Identity
from api_main.core.settings import Settings

BY_SECRET_KEY = Identity(AUTH_ADMIN.role, SERVICE)


@dataclass(frozen=True, slots=True)
class AccountForm:
    """What an administrator says of an account; None stays as it is, or gets its default."""

    email: str | None = None
    password: str | None = None
    role: str | None = None
    email_confirm: bool = False
    user_metadata: dict[str, Any] | None = None
    app_metadata: dict[str, Any] | None = None
    ban_duration: str | None = None


class Administration:
    """The accounts as an administrator sees them."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    async def list(self, *, page: int, per_page: int, words: str) -> tuple[list[UserObject], int]:
        """A page of accounts (from 1), the newest first, and how many there are in all."""
        async with self._database.session(AUTH_ADMIN) as session:
            offset = (page - 1) * per_page
            users, total = await repository.list_users(session, offset=offset, limit=per_page, words=words)
            identities = await repository.get_identities(session, [user.id for user in users])
        return [user_object(user, identities[user.id]) for user in users], total

    async def read(self, user_id: UUID) -> UserObject:
        """Raises: UserNotFound."""
        async with self._database.session(AUTH_ADMIN) as session:
            return await _object(session, await _found(session, user_id))

    async def create(self, form: AccountForm) -> UserObject:
        """Create an account; without a password it can only sign in by link.

        Raises:
            EmailTaken, WeakPassword, InvalidDuration
        """
        user = User(email=form.email, raw_app_meta_data=EMAIL_PROVIDER if form.email else {})
        _apply(user, form, await passwords.checked_hash(form.password, self._settings))
        with repository.refusing_a_taken_email():
            async with self._database.session(BY_SECRET_KEY) as session:
                created = user_object(user, await repository.add_user(session, user))
        record(SecurityEvent.REGISTERED, subject=user.id, by="administrator")
        return created

    async def change(self, user_id: UUID, form: AccountForm) -> UserObject:
        """Change an account. A ban takes effect at once, a new password ends its sessions.

        Raises:
            UserNotFound, EmailTaken, WeakPassword, InvalidDuration
        """
        now, hashed = datetime.now(UTC), await passwords.checked_hash(form.password, self._settings)
        with repository.refusing_a_taken_email():
            async with self._database.session(BY_SECRET_KEY) as session:
                user = await change_account(session, user_id, form, hashed)
                changed = await _object(session, user)
        is_ban = form.ban_duration is not None and user.banned_until is not None and user.banned_until > now
        record(SecurityEvent.ACCOUNT_BANNED if is_ban else SecurityEvent.ACCOUNT_CHANGED, subject=user_id)
        return changed

    async def delete(self, user_id: UUID, *, soft: bool) -> None:
        """Delete an account with all that is its own; softly, only its name and its sessions go.

        Raises:
            UserNotFound
        """
        async with self._database.session(BY_SECRET_KEY) as session:
            await delete_account(session, user_id, soft=soft)
        record(SecurityEvent.ACCOUNT_DELETED, subject=user_id, soft=soft)


async def change_account(session: RlsSession, user_id: UUID, form: AccountForm, hashed: str | None) -> User:
    """Change an account in a transaction of `auth_admin`; `hashed` is the new password's hash.

    Raises:
        UserNotFound, InvalidDuration
        sqlalchemy.exc.IntegrityError: another account has the e-mail.
    """
    user = await _found(session, user_id)
    _apply(user, form, hashed)
    if form.email is not None:
        _set_email(user, form.email)
    if form.email is not None or (form.email_confirm and user.email):
        await repository.set_email_identity(session, user)
    if hashed is not None:
        await repository.delete_sessions(session, user_id=user_id, current=None, scope="global")
        await withdraw_mailed(session, user)
    await session.flush()
    return user


async def delete_account(session: RlsSession, user_id: UUID, *, soft: bool) -> None:
    """Delete an account in a transaction of `auth_admin`.

    Raises:
        UserNotFound
    """
    user = await _found(session, user_id)
    if soft:
        await _delete_softly(session, user)
    else:
        await session.delete(user)
    await session.flush()


def ban_end(duration: str) -> datetime | None:
    """When a ban of this Go duration ends; None for `none` or no time at all, which lift it.

    Raises:
        InvalidDuration
    """
    try:
        length = timedelta(0) if duration == "none" else parse_duration(duration)
    except ValueError:
        raise InvalidDuration(field="ban_duration") from None
    return datetime.now(UTC) + length if length else None


def _apply(user: User, form: AccountForm, hashed: str | None) -> None:
    if hashed is not None:
        user.encrypted_password = hashed
    if form.role is not None:
        user.role = form.role
    if form.email_confirm:
        user.email_confirmed_at = user.email_confirmed_at or datetime.now(UTC)
    if form.user_metadata is not None:
        user.raw_user_meta_data = merged(user.raw_user_meta_data, form.user_metadata)
    if form.app_metadata is not None:
        user.raw_app_meta_data = merged(user.raw_app_meta_data, form.app_metadata)
    if form.ban_duration is not None:
        user.banned_until = ban_end(form.ban_duration)


def _set_email(user: User, email: str) -> None:
    if not user.email:  # no longer anonymous
        user.is_anonymous = False
        user.raw_app_meta_data = {**(user.raw_app_meta_data or {}), **EMAIL_PROVIDER}
    user.email = email


async def _delete_softly(session: RlsSession, user: User) -> None:
    user.deleted_at = user.deleted_at or datetime.now(UTC)
    user.email, user.phone, user.encrypted_password = f"{secrets.token_hex(16)}@deleted.invalid", None, None
    user.raw_user_meta_data, user.raw_app_meta_data = {}, {}
    await withdraw_mailed(session, user)
    await repository.delete_identities(session, user.id)
    await repository.delete_sessions(session, user_id=user.id, current=None, scope="global")


async def _found(session: RlsSession, user_id: UUID) -> User:
    user = await repository.lock_user(session, user_id)
    if user is None:
        raise UserNotFound
    return user


async def _object(session: RlsSession, user: User) -> UserObject:
    return user_object(user, (await repository.get_identities(session, [user.id]))[user.id])
