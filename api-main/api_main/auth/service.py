"""Accounts of our own: register, sign in, refresh, sign out, change the password."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy.exc import IntegrityError

from api_main.auth import passwords, repository
from api_main.auth.errors import (
    AccountDisabled,
    EmailTaken,
    InvalidCredentials,
    InvalidRefreshToken,
    RefreshTokenReused,
    SamePassword,
    TooManyAttempts,
    WrongPassword,
)
from api_main.auth.events import SecurityEvent, record
from api_main.auth.lockout import Lockout
from api_main.auth.models import AuthSession, User
from api_main.auth.principal import Principal
from api_main.auth.refresh_tokens import MalformedRefreshToken, RefreshToken, new_key
from api_main.auth.repository import Scope
from api_main.auth.schemas import ChangePassword, Login, Register, Tokens
from api_main.auth.tokens import TokenIssuer
from api_main.core.database import Database, RlsSession
from api_main.core.prelude import Identity

AUTH_ADMIN = Identity("auth_admin")
REUSE_INTERVAL = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Device:
    """Where a session was begun."""

    address: str | None
    user_agent: str | None


class Accounts:
    """The accounts of standalone mode. Each call is one transaction as `auth_admin`."""

    def __init__(self, database: Database, tokens: TokenIssuer) -> None:
        self._database = database
        self._tokens = tokens
        self._lockout = Lockout()

    async def register(self, form: Register, device: Device) -> Tokens:
        """Create an account, and sign it in.

        Raises:
            WeakPassword: see `passwords.check_strength`.
            EmailTaken: the e-mail has an account.
        """
        password = form.password.get_secret_value()
        passwords.check_strength(password)
        user = _new_user(form, await passwords.hash_password(password))
        try:
            async with self._database.session(AUTH_ADMIN) as session:
                await repository.add_user(session, user)
                tokens = await self._begin_session(session, user, device)
        except IntegrityError as error:
            if not repository.breaks(error, repository.ONE_ACCOUNT_PER_EMAIL):
                raise
            raise EmailTaken(field="email") from None
        record(SecurityEvent.REGISTERED, subject=user.id)
        return tokens

    async def sign_in(self, form: Login, device: Device) -> Tokens:
        """Begin a session.

        Raises:
            InvalidCredentials: no such account, or another password: the same answer, after the same time.
            AccountDisabled: banned or switched off; said only to those who know the password.
            TooManyAttempts: too many of them failed of late.
        """
        await self._begin_attempt(form.email)
        async with self._database.session(AUTH_ADMIN) as session:
            user = await repository.find_user(session, form.email)
        hashed = user.encrypted_password if user else None
        if not await passwords.verify_password(form.password.get_secret_value(), hashed) or user is None:
            record(SecurityEvent.SIGN_IN_FAILED, subject=user.id if user else None, reason="invalid_credentials")
            raise InvalidCredentials
        await self._lockout.succeed(form.email)
        async with self._database.session(AUTH_ADMIN) as session:
            if not await repository.may_sign_in(session, user.id):
                record(SecurityEvent.SIGN_IN_FAILED, subject=user.id, reason="account_disabled")
                raise AccountDisabled
            tokens = await self._begin_session(session, user, device)
        record(SecurityEvent.SIGNED_IN, subject=user.id)
        return tokens

    async def refresh(self, text: str) -> Tokens:
        """The next tokens of a session. A row lock puts refreshes of one session in order.

        The token before the present one answers with the present one: a client may have lost the answer. Older
        ones are a theft, unless they come within seconds: the session ends.

        Raises:
            InvalidRefreshToken: not ours, or its session or account is gone.
            RefreshTokenReused: it was used long ago.
        """
        try:
            token = RefreshToken.parse(text)
            async with self._database.session(AUTH_ADMIN) as session:
                tokens = await self._continue_session(session, token)
        except (MalformedRefreshToken, InvalidRefreshToken):
            record(SecurityEvent.TOKEN_REFUSED, reason=InvalidRefreshToken.code)
            raise InvalidRefreshToken from None
        if tokens is None:  # raised only now: the end of the session had to be committed
            raise RefreshTokenReused
        return tokens

    async def sign_out(self, principal: Principal, scope: Scope) -> None:
        """End the caller's session, all their sessions, or all others."""
        async with self._database.session(AUTH_ADMIN) as session:
            await repository.delete_sessions(session, user_id=principal.subject, current=principal.session, scope=scope)
        record(SecurityEvent.SIGNED_OUT, subject=principal.subject, scope=scope)

    async def change_password(self, principal: Principal, form: ChangePassword) -> None:
        """Set a new password, and end all other sessions.

        Raises:
            WrongPassword: the present one is another.
            SamePassword, WeakPassword: the new one will not do.
            TooManyAttempts: the present one was guessed at too often.
        """
        new = form.new_password.get_secret_value()
        _check_new_password(new, form.current_password.get_secret_value())
        async with self._database.session(AUTH_ADMIN) as session:
            user = await repository.get_user(session, principal.subject)
        name = (user and user.email) or str(principal.subject)  # an account may have no e-mail
        await self._begin_attempt(name, principal.subject)
        hashed = user.encrypted_password if user else None
        if not await passwords.verify_password(form.current_password.get_secret_value(), hashed):
            record(SecurityEvent.SIGN_IN_FAILED, subject=principal.subject, reason=WrongPassword.code)
            raise WrongPassword(field="current_password")
        await self._lockout.succeed(name)
        new_hash = await passwords.hash_password(new)
        async with self._database.session(AUTH_ADMIN) as session:
            await repository.set_password(session, principal.subject, new_hash)
            await repository.delete_sessions(
                session, user_id=principal.subject, current=principal.session, scope="others"
            )
        record(SecurityEvent.PASSWORD_CHANGED, subject=principal.subject)

    async def _begin_attempt(self, name: str, subject: UUID | None = None) -> None:
        try:
            await self._lockout.begin(name)
        except TooManyAttempts:
            record(SecurityEvent.LOCKED_OUT, subject=subject)
            raise

    async def _begin_session(self, session: RlsSession, user: User, device: Device) -> Tokens:
        begun = AuthSession(
            id=uuid4(),
            user_id=user.id,
            created_at=datetime.now(UTC),
            user_agent=device.user_agent,
            ip=device.address,
            refresh_token_hmac_key=new_key(),
            refresh_token_counter=0,
        )
        session.add(begun)
        user.last_sign_in_at = datetime.now(UTC)
        session.add(user)
        return self._tokens.issue(user, begun)

    async def _continue_session(self, session: RlsSession, token: RefreshToken) -> Tokens | None:
        """The next tokens, or None where reuse has ended the session."""
        current = await repository.lock_session(session, token.session)
        # A session without a key, such as one of Supabase Auth's first version, has no tokens of this kind.
        key = current and current.refresh_token_hmac_key
        if current is None or not key or not token.is_signed_with(key):
            raise InvalidRefreshToken
        user = await repository.get_user(session, current.user_id)
        if user is None or _is_over(current) or not await repository.may_sign_in(session, user.id):
            raise InvalidRefreshToken
        count = current.refresh_token_counter or 0
        if token.counter == count:
            current.refresh_token_counter = count + 1
            current.refreshed_at = datetime.now(UTC).replace(tzinfo=None)
        elif token.counter != count - 1 and not _was_refreshed_just_now(current):
            await session.delete(current)
            record(SecurityEvent.REFRESH_TOKEN_REUSED, subject=user.id)
            return None
        record(SecurityEvent.REFRESHED, subject=user.id)
        return self._tokens.issue(user, current)


def _new_user(form: Register, hashed: str) -> User:
    return User(
        email=form.email,
        encrypted_password=hashed,
        email_confirmed_at=datetime.now(UTC),
        raw_app_meta_data={"provider": "email", "providers": ["email"]},
        raw_user_meta_data={"full_name": form.full_name} if form.full_name else {},
    )


def _check_new_password(new: str, current: str) -> None:
    if new == current:
        raise SamePassword(field="new_password")
    passwords.check_strength(new, field="new_password")


def _is_over(session: AuthSession) -> bool:
    return session.not_after is not None and session.not_after <= datetime.now(UTC)


def _was_refreshed_just_now(session: AuthSession) -> bool:
    if session.refreshed_at is None:
        return False
    return datetime.now(UTC) - session.refreshed_at.replace(tzinfo=UTC) < REUSE_INTERVAL
