"""Accounts of our own: sign up, sign in, refresh, sign out. `/api/v1/auth` and `/auth/v1` are two faces of this."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from api_main.auth import passwords, repository, sessions
from api_main.auth.errors import (
    AccountDisabled,
    AnonymousUsersDisabled,
    EmailNotConfirmed,
    EmailTaken,
    InvalidCredentials,
    InvalidRefreshToken,
    RefreshTokenReused,
    SignUpDisabled,
    TooManyAttempts,
)
from api_main.auth.events import SecurityEvent, record
from api_main.auth.lockout import Lockout
from api_main.auth.models import User
from api_main.auth.once import EACH_TIME, Once
from api_main.auth.principal import Principal
from api_main.auth.refresh_tokens import MalformedRefreshToken, RefreshToken
from api_main.auth.repository import Scope
from api_main.auth.sessions import Device, Method, SessionState, SignedIn
from api_main.auth.tokens import TokenIssuer
from api_main.auth.user_object import Tokens, UserObject, user_object
from api_main.core.database import Database, RlsSession
from api_main.core.prelude import Identity
from api_main.core.settings import Settings

AUTH_ADMIN = Identity("auth_admin")
SERVICE = '{"role":"service_role"}'  # the claims of a secret key, for the audit log
EMAIL_PROVIDER = {"provider": "email", "providers": ["email"]}


def on_behalf_of(identity: Identity) -> Identity:
    """`auth_admin` with the claims of a caller: the audit log says who it was that had accounts changed."""
    return Identity(AUTH_ADMIN.role, identity.claims)


@dataclass(frozen=True, slots=True)
class NewAccount:
    """What somebody signs up with. `metadata` is theirs to say, and believed by nobody."""

    email: str
    password: str
    metadata: dict[str, Any]


class Accounts:
    """The accounts of standalone mode. Each call is one transaction as `auth_admin`, or a few."""

    def __init__(self, database: Database, tokens: TokenIssuer, settings: Settings, lockout: Lockout) -> None:
        self._database = database
        self._tokens = tokens
        self._settings = settings
        self._lockout = lockout

    async def sign_up(self, form: NewAccount, device: Device, once: Once = EACH_TIME) -> Tokens | UserObject:
        """Create an account: signed in where e-mails need no confirmation, else its user object.

        Where they do, an e-mail that has an account gets a made-up user object, after the same time.

        Raises:
            SignUpDisabled, WeakPassword
            EmailTaken: the e-mail has an account; only said where e-mails need no confirmation.
            Exception: whatever `once` says to those who ask again.
        """
        async with self._database.session(AUTH_ADMIN) as session:
            await once.claim(session)
        if not self._settings.sign_up_enabled:
            raise SignUpDisabled
        await passwords.check_strength(form.password, minimum=self._settings.password_min_length)
        user = self._new_user(form, await passwords.hash_password(form.password))
        async with self._database.session(AUTH_ADMIN) as session:
            await once.claim(session)  # again: hashing takes its time, and should take no connection
            owner, answer = await self._add(session, user, device)
            await once.keep(session, owner, answer)
        if owner == user.id:
            record(SecurityEvent.REGISTERED, subject=user.id)
        return answer

    async def sign_up_anonymously(self, metadata: dict[str, Any], device: Device) -> Tokens:
        """Create an account without e-mail or password, and sign it in.

        Raises:
            AnonymousUsersDisabled, SignUpDisabled
        """
        if not self._settings.anonymous_users_enabled:
            raise AnonymousUsersDisabled
        if not self._settings.sign_up_enabled:
            raise SignUpDisabled
        user = User(is_anonymous=True, raw_user_meta_data=metadata)
        async with self._database.session(AUTH_ADMIN) as session:
            await repository.add_user(session, user)
            tokens = await self.issue(session, await sessions.begin(session, user, device, Method.ANONYMOUS))
        record(SecurityEvent.REGISTERED, subject=user.id, anonymous=True)
        return tokens

    async def sign_in(self, email: str, password: str, device: Device) -> Tokens:
        """Begin a session.

        Raises:
            InvalidCredentials: no such account, or another password: the same answer, after the same time.
            AccountDisabled, EmailNotConfirmed: said only to those who know the password.
            TooManyAttempts: too many of them failed of late.
        """
        await self.begin_attempt(email, address=device.address)
        async with self._database.session(AUTH_ADMIN) as session:
            user = await repository.find_user(session, email)
        hashed = user.encrypted_password if user else None
        if not await passwords.verify_password(password, hashed) or user is None:
            raise _failed(InvalidCredentials(), user)
        await self.forget_attempts(email, device.address)
        async with self._database.session(AUTH_ADMIN) as session:
            if not await repository.may_sign_in(session, user.id):
                raise _failed(AccountDisabled(), user)
            if user.email_confirmed_at is None:
                raise _failed(EmailNotConfirmed(), user)
            tokens = await self.issue(session, await sessions.begin(session, user, device, Method.PASSWORD))
        record(SecurityEvent.SIGNED_IN, subject=user.id)
        return tokens

    async def refresh(self, text: str) -> Tokens:
        """The next tokens of a session; see `sessions.resume`.

        Raises:
            InvalidRefreshToken, SessionExpired
            RefreshTokenReused: it was used long ago; the session has ended.
        """
        try:
            token = RefreshToken.parse(text)
            async with self._database.session(AUTH_ADMIN) as session:
                resumed = await sessions.resume(session, token, self._settings)
                tokens = await self.issue(session, resumed) if resumed else None
        except (MalformedRefreshToken, InvalidRefreshToken) as refused:
            record(SecurityEvent.TOKEN_REFUSED, reason=InvalidRefreshToken.code)
            raise (refused if isinstance(refused, InvalidRefreshToken) else InvalidRefreshToken()) from None
        if tokens is None:  # raised only now: the end of the session had to be committed
            raise RefreshTokenReused
        return tokens

    async def sign_out(self, principal: Principal, scope: Scope) -> None:
        """End the caller's session, all their sessions, or all others."""
        async with self._database.session(AUTH_ADMIN) as session:
            await repository.delete_sessions(session, user_id=principal.subject, current=principal.session, scope=scope)
        record(SecurityEvent.SIGNED_OUT, subject=principal.subject, scope=scope)

    async def add_without_password(self, email: str, metadata: dict[str, Any]) -> None:
        """Make sure that an e-mail has an account, for those who sign in by link."""
        if not self._settings.sign_up_enabled:
            return
        user = User(email=email, raw_app_meta_data=EMAIL_PROVIDER, raw_user_meta_data=metadata)
        try:
            with repository.refusing_a_taken_email():
                async with self._database.session(AUTH_ADMIN) as session:
                    await repository.add_user(session, user)
        except EmailTaken:
            return  # it has one
        record(SecurityEvent.REGISTERED, subject=user.id)

    async def exists(self, email: str) -> bool:
        async with self._database.session(AUTH_ADMIN) as session:
            return await repository.find_user(session, email) is not None

    async def session_state(self, principal: Principal) -> SessionState:
        """What has become of the session that a verified token names, this very moment."""
        async with self._database.session(AUTH_ADMIN) as session:
            user = await repository.get_user(session, principal.subject)
            if user is None or user.deleted_at is not None:
                return SessionState.NO_USER
            current = await repository.get_session(session, principal.session) if principal.session else None
            if current is None or current.user_id != user.id or sessions.is_over(current, self._settings):
                return SessionState.NO_SESSION
            may_act = await repository.may_sign_in(session, user.id)
            return SessionState.LIVE if may_act else SessionState.BANNED

    async def issue(self, session: RlsSession, signed_in: SignedIn) -> Tokens:
        """The tokens of a session that has begun in this transaction."""
        identities = await repository.get_identities(session, [signed_in.user.id])
        return self._tokens.issue(signed_in, identities[signed_in.user.id])

    async def begin_attempt(self, name: str, subject: UUID | None = None, address: str | None = None) -> None:
        """Count one more attempt to guess a secret of the account of this name: its e-mail, or its id.

        `address` is that of somebody who has not shown yet who they are.

        Raises:
            TooManyAttempts
        """
        try:
            await self._lockout.begin(name, address)
        except TooManyAttempts:
            record(SecurityEvent.LOCKED_OUT, subject=subject)
            raise

    async def forget_attempts(self, name: str, address: str | None = None) -> None:
        """The secret was right: earlier mistakes no longer count."""
        await self._lockout.succeed(name, address)

    async def _add(self, session: RlsSession, user: User, device: Device) -> tuple[UUID | None, Tokens | UserObject]:
        """The answer, and the account that the e-mail has from now on, or had: in as many round trips."""
        try:
            with repository.refusing_a_taken_email():
                async with session.begin_nested():
                    identities = await repository.add_user(session, user)
        except EmailTaken:
            if self._settings.email_autoconfirm:
                raise
            made_up = user_object(user, [repository.email_identity(user)])  # nobody learns that the e-mail had one
            return await repository.find_owner(session, user.email), made_up
        if user.email_confirmed_at is None:
            return user.id, user_object(user, identities)
        return user.id, await self.issue(session, await sessions.begin(session, user, device, Method.PASSWORD))

    def _new_user(self, form: NewAccount, hashed: str) -> User:
        now, is_confirmed = datetime.now(UTC), self._settings.email_autoconfirm
        return User(
            email=form.email,
            encrypted_password=hashed,
            email_confirmed_at=now if is_confirmed else None,
            confirmation_sent_at=None if is_confirmed else now,
            raw_app_meta_data=EMAIL_PROVIDER,
            raw_user_meta_data=form.metadata,
        )


def _failed(error: InvalidCredentials | AccountDisabled | EmailNotConfirmed, user: User | None) -> Exception:
    record(SecurityEvent.SIGN_IN_FAILED, subject=user.id if user else None, reason=error.code)
    return error
