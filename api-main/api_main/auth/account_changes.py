"""What the owner of an account can change about it: password, e-mail, metadata."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from api_main.auth import one_time_tokens, passwords, pkce, repository
from api_main.auth.errors import (
    AnonymousPassword,
    EmailTaken,
    MailTooSoon,
    OneTimeTokenInvalid,
    ReauthenticationInvalid,
    ReauthenticationNeeded,
    SamePassword,
    SessionEnded,
    WrongPassword,
)
from api_main.auth.events import SecurityEvent, record
from api_main.auth.models import User
from api_main.auth.one_time_tokens import EMAIL_CHANGE_TOKENS, OneTimeTokens, TokenKind
from api_main.auth.principal import Principal
from api_main.auth.service import AUTH_ADMIN, Accounts, on_behalf_of
from api_main.auth.user_object import UserObject, user_object
from api_main.core.database import Database, RlsSession
from api_main.core.settings import Settings

RECENT = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class AccountChange:
    """What is to change; None stays as it is. A new e-mail takes effect when it is confirmed."""

    password: str | None = None
    nonce: str | None = None
    email: str | None = None
    metadata: dict[str, Any] | None = None


class AccountChanges:
    """Changes that people make to their own accounts."""

    def __init__(self, database: Database, accounts: Accounts, tokens: OneTimeTokens, settings: Settings) -> None:
        self._database = database
        self._accounts = accounts
        self._tokens = tokens
        self._settings = settings

    async def read(self, principal: Principal) -> UserObject:
        async with self._database.session(AUTH_ADMIN) as session:
            return await _to_object(session, await _own(session, principal))

    async def change_password(self, principal: Principal, *, current: str, new: str) -> None:
        """Set a new password for somebody who knows the present one, and end all other sessions.

        Raises:
            WrongPassword: the present one is another.
            SamePassword, WeakPassword: the new one will not do.
            TooManyAttempts: the present one was guessed at too often.
        """
        if new == current:
            raise SamePassword(field="new_password")
        await passwords.check_strength(new, minimum=self._settings.password_min_length, field="new_password")
        async with self._database.session(AUTH_ADMIN) as session:
            user = await _own(session, principal)
        name = user.email or str(user.id)  # an account may have no e-mail
        await self._accounts.begin_attempt(name, user.id)
        if not await passwords.verify_password(current, user.encrypted_password):
            record(SecurityEvent.SIGN_IN_FAILED, subject=user.id, reason=WrongPassword.code)
            raise WrongPassword(field="current_password")
        await self._accounts.forget_attempts(name)
        await self.change(principal, AccountChange(password=new))

    async def change(self, principal: Principal, change: AccountChange) -> UserObject:
        """Change one's own account. A new password ends all other sessions.

        Raises:
            SamePassword, WeakPassword
            AnonymousPassword: there is no e-mail to go with it.
            EmailTaken: another account has the e-mail.
            MailTooSoon: another e-mail was wanted just now.
            ReauthenticationNeeded, ReauthenticationInvalid: the password may only be changed by somebody fresh.
        """
        hashed = None if change.password is None else await self._checked_hash(principal, change, change.password)
        with repository.refusing_a_taken_email():
            async with self._database.session(on_behalf_of(principal.identity)) as session:
                user = await _own(session, principal)
                if hashed is not None:
                    await self._check_freshness(session, principal, user, change.nonce)
                    await _set_password(session, principal, user, hashed)
                    await withdraw_mailed(session, user)
                if change.metadata is not None:
                    user.raw_user_meta_data = merged(user.raw_user_meta_data, change.metadata)
                if change.email is not None and change.email != user.email:
                    await self._set_email(session, user, change.email)
                await session.flush()
                changed = await _to_object(session, user)
        record(SecurityEvent.PASSWORD_CHANGED if hashed else SecurityEvent.ACCOUNT_CHANGED, subject=principal.subject)
        return changed

    async def _checked_hash(self, principal: Principal, change: AccountChange, password: str) -> str:
        await passwords.check_strength(password, minimum=self._settings.password_min_length)
        async with self._database.session(AUTH_ADMIN) as session:
            own = await _own(session, principal)
        if own.is_anonymous and own.email is None and change.email is None:
            raise AnonymousPassword(field="password")
        if own.encrypted_password and await passwords.verify_password(password, own.encrypted_password):
            raise SamePassword(field="password")
        return await passwords.hash_password(password)

    async def _check_freshness(self, session: RlsSession, principal: Principal, user: User, nonce: str | None) -> None:
        if not self._settings.password_change_needs_reauthentication:
            return
        current = await repository.get_session(session, principal.session) if principal.session else None
        if current is not None and datetime.now(UTC) - current.created_at < RECENT:
            return
        if not nonce:
            raise ReauthenticationNeeded
        await self._accounts.begin_attempt(str(user.id), user.id)
        try:
            link = self._tokens.link(user.email or "", nonce)
            await self._tokens.redeem(session, [TokenKind.REAUTHENTICATION], link)
        except OneTimeTokenInvalid:
            raise ReauthenticationInvalid from None
        await self._accounts.forget_attempts(str(user.id))

    async def _set_email(self, session: RlsSession, user: User, email: str) -> None:
        if await repository.find_user(session, email) is not None:
            raise EmailTaken(field="email")
        if user.is_anonymous and self._settings.email_autoconfirm:
            await apply_email(session, user, email)
            return
        if seconds := self._tokens.seconds_left_since(user.email_change_sent_at):
            raise MailTooSoon(seconds)
        user.email_change, user.email_change_confirm_status = email, 0
        user.email_change_sent_at = datetime.now(UTC)
        # Links to the e-mail that was wanted before must not confirm this one.
        await one_time_tokens.void(session, user.id, EMAIL_CHANGE_TOKENS)


async def apply_email(session: RlsSession, user: User, email: str) -> None:
    """Make an e-mail the account's own, confirmed; an anonymous account becomes a permanent one."""
    now = datetime.now(UTC)
    user.email, user.email_confirmed_at, user.email_change = email, now, ""
    user.email_change_confirm_status = 0
    user.is_anonymous = False
    user.raw_app_meta_data = {**user.raw_app_meta_data, "provider": "email", "providers": ["email"]}
    await repository.set_email_identity(session, user)


async def withdraw_mailed(session: RlsSession, user: User) -> None:
    """Void what was mailed, and a new e-mail that waits to be confirmed: somebody else may have asked for them."""
    user.email_change, user.email_change_confirm_status = "", 0
    await one_time_tokens.void(session, user.id, TokenKind)
    await pkce.void(session, user.id)


def merged(present: dict[str, Any] | None, changes: dict[str, Any]) -> dict[str, Any]:
    """Metadata with changes; a key that is set to null is removed, as in Supabase Auth."""
    together = {**(present or {}), **changes}
    return {key: value for key, value in together.items() if value is not None}


async def _own(session: RlsSession, principal: Principal) -> User:
    user = await repository.lock_user(session, principal.subject)
    if user is None:
        raise SessionEnded
    return user


async def _set_password(session: RlsSession, principal: Principal, user: User, hashed: str) -> None:
    user.encrypted_password = hashed
    await repository.delete_sessions(session, user_id=user.id, current=principal.session, scope="others")


async def _to_object(session: RlsSession, user: User) -> UserObject:
    return user_object(user, (await repository.get_identities(session, [user.id]))[user.id])
