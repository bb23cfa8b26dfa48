"""What administrators do with accounts: list, create, change, ban, delete, invite, make links."""

import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from api_main.auth import one_time_tokens, passwords, repository
from api_main.auth.account_changes import merged
from api_main.auth.errors import EmailTaken, UserNotFound
from api_main.auth.events import SecurityEvent, record
from api_main.auth.links import LINKS, EmailLinks, LinkType, stamp
from api_main.auth.models import User
from api_main.auth.one_time_tokens import IssuedToken, TokenKind
from api_main.auth.service import AUTH_ADMIN, EMAIL_PROVIDER
from api_main.auth.user_object import UserObject, user_object
from api_main.core.database import Database, RlsSession
from api_main.core.errors import BadRequest
from api_main.core.settings import Settings

FOREVER = datetime(9999, 12, 31, tzinfo=UTC)
# A Go duration, as Supabase Auth takes it: "24h", "1h30m", "100ms" (https://pkg.go.dev/time#ParseDuration).
DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


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


@dataclass(frozen=True, slots=True)
class MadeLink:
    """A link that an administrator made, instead of having it mailed."""

    user: UserObject
    issued: IssuedToken
    url: str
    kind: LinkType


class Administration:
    """The accounts as an administrator sees them."""

    def __init__(self, database: Database, links: EmailLinks, settings: Settings) -> None:
        self._database = database
        self._links = links
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
            EmailTaken, WeakPassword, BadRequest
        """
        user = User(email=form.email, raw_app_meta_data=EMAIL_PROVIDER if form.email else {})
        hashed = await self._hash(form.password)
        _apply(user, form, hashed)
        try:
            async with self._database.session(AUTH_ADMIN) as session:
                created = user_object(user, await repository.add_user(session, user))
        except IntegrityError as error:
            if not repository.breaks(error, repository.ONE_ACCOUNT_PER_EMAIL):
                raise
            raise EmailTaken(field="email") from None
        record(SecurityEvent.REGISTERED, subject=user.id, by="administrator")
        return created

    async def change(self, user_id: UUID, form: AccountForm) -> UserObject:
        """Change an account. A ban takes effect at once, a new password ends its sessions.

        Raises:
            UserNotFound, EmailTaken, WeakPassword, BadRequest
        """
        hashed = await self._hash(form.password)
        try:
            async with self._database.session(AUTH_ADMIN) as session:
                user = await _found(session, user_id)
                _apply(user, form, hashed)
                if form.email is not None:
                    user.email = form.email
                    await repository.set_email_identity(session, user)
                if hashed is not None:
                    await repository.delete_sessions(session, user_id=user_id, current=None, scope="global")
                await session.flush()
                changed = await _object(session, user)
        except IntegrityError as error:
            if not repository.breaks(error, repository.ONE_ACCOUNT_PER_EMAIL):
                raise
            raise EmailTaken(field="email") from None
        record(SecurityEvent.ACCOUNT_BANNED if form.ban_duration else SecurityEvent.ACCOUNT_CHANGED, subject=user_id)
        return changed

    async def delete(self, user_id: UUID, *, soft: bool) -> None:
        """Delete an account with all that is its own; softly, only its name and its sessions go.

        Raises:
            UserNotFound
        """
        async with self._database.session(AUTH_ADMIN) as session:
            user = await _found(session, user_id)
            if soft:
                await _delete_softly(session, user)
            else:
                await session.delete(user)
        record(SecurityEvent.ACCOUNT_DELETED, subject=user_id, soft=soft)

    async def invite(self, email: str, metadata: dict[str, Any], redirect_to: str) -> UserObject:
        """Create an account that is not confirmed, and mail it an invitation.

        Raises:
            EmailTaken: it has a confirmed account.
        """
        made = await self.make_link(LinkType.INVITE, email, redirect_to, metadata=metadata)
        await self._links.mail(LinkType.INVITE, LINKS[LinkType.INVITE].mail, email, made.issued, redirect_to)
        return made.user

    async def make_link(
        self,
        kind: LinkType,
        email: str,
        redirect_to: str,
        *,
        password: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> MadeLink:
        """A link for an account, made where there is none and the kind allows it.

        Raises:
            UserNotFound: for a recovery.
            EmailTaken: for a sign-up or an invitation.
            WeakPassword
        """
        hashed = await self._hash(password)
        async with self._database.session(AUTH_ADMIN) as session:
            user = await repository.find_user(session, email)
            kind, user = await _account_for_link(session, kind, user, email, hashed, metadata or {})
            issued = await one_time_tokens.issue(session, user.id, LINKS[kind].token, email)
            stamp(user, kind)
            await session.flush()
            shown = await _object(session, user)
        return MadeLink(shown, issued, self._links.action_link(kind, issued.link, redirect_to), kind)

    async def _hash(self, password: str | None) -> str | None:
        if password is None:
            return None
        passwords.check_strength(password, minimum=self._settings.password_min_length)
        return await passwords.hash_password(password)


def ban_end(duration: str) -> datetime | None:
    """When a ban of this Go duration ends; None for `none`, which lifts it.

    Raises:
        BadRequest: it is no duration.
    """
    if duration == "none":
        return None
    parts = DURATION_PART.findall(duration)
    if not parts or "".join(number + unit for number, unit in parts) != duration:
        raise BadRequest("ban_duration must be a duration such as 24h, or none.", field="ban_duration")
    try:
        return datetime.now(UTC) + timedelta(seconds=sum(float(number) * SECONDS[unit] for number, unit in parts))
    except OverflowError:
        return FOREVER


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


async def _account_for_link(
    session: RlsSession, kind: LinkType, user: User | None, email: str, hashed: str | None, metadata: dict[str, Any]
) -> tuple[LinkType, User]:
    if user is None:
        if kind is LinkType.RECOVERY:
            raise UserNotFound
        kind = LinkType.SIGNUP if kind is LinkType.MAGIC_LINK else kind
        user = User(email=email, encrypted_password=hashed, raw_user_meta_data=metadata)
        user.raw_app_meta_data = EMAIL_PROVIDER
        await repository.add_user(session, user)
    elif LINKS[kind].token is TokenKind.CONFIRMATION:
        if user.email_confirmed_at is not None:
            raise EmailTaken(field="email")
        user.raw_user_meta_data = merged(user.raw_user_meta_data, metadata)
    return kind, user


async def _delete_softly(session: RlsSession, user: User) -> None:
    user.deleted_at = user.deleted_at or datetime.now(UTC)
    user.email, user.phone, user.encrypted_password = f"{secrets.token_hex(16)}@deleted.invalid", None, None
    user.raw_user_meta_data, user.raw_app_meta_data = {}, {}
    await repository.delete_identities(session, user.id)
    await repository.delete_sessions(session, user_id=user.id, current=None, scope="global")


async def _found(session: RlsSession, user_id: UUID) -> User:
    user = await repository.lock_user(session, user_id)
    if user is None:
        raise UserNotFound
    return user


async def _object(session: RlsSession, user: User) -> UserObject:
    return user_object(user, (await repository.get_identities(session, [user.id]))[user.id])
