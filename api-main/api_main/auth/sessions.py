"""The life of a session: begun, continued by refresh tokens, ended by time, reuse or its owner."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, StrEnum, auto
from uuid import uuid4

from api_main.auth import repository
from api_main.auth.errors import InvalidRefreshToken, RefreshOfDisabledAccount, SessionExpired
from api_main.auth.events import SecurityEvent, record
from api_main.auth.models import AuthenticationMethod, AuthSession, User
from api_main.auth.refresh_tokens import RefreshToken, new_key
from api_main.core.database import RlsSession
from api_main.core.settings import Settings


class Method(StrEnum):
    """How somebody showed who they are: the `amr` of Supabase Auth's tokens."""

    PASSWORD = "password"  # noqa: S105 - the name of a method
    OTP = "otp"
    ANONYMOUS = "anonymous"
    # A link that was followed to a code, and the code that was exchanged (PKCE).
    SIGN_UP = "email/signup"
    INVITE = "invite"
    MAGIC_LINK = "magiclink"
    RECOVERY = "recovery"
    EMAIL_CHANGE = "email_change"


class SessionState(Enum):
    """What has become of the session that a token names."""

    LIVE = auto()
    NO_USER = auto()
    NO_SESSION = auto()
    BANNED = auto()


@dataclass(frozen=True, slots=True)
class Device:
    """Where a session was begun."""

    address: str | None
    user_agent: str | None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """An account and its session, before they become tokens."""

    user: User
    session: AuthSession
    method: AuthenticationMethod


async def begin(session: RlsSession, user: User, device: Device, method: Method) -> SignedIn:
    """Add a session for an account."""
    now = datetime.now(UTC)
    begun = AuthSession(
        id=uuid4(),
        user_id=user.id,
        created_at=now,
        user_agent=device.user_agent,
        ip=device.address,
        refresh_token_hmac_key=new_key(),
        refresh_token_counter=0,
    )
    session.add(begun)
    user.last_sign_in_at = now
    session.add(user)
    await session.flush()
    how = AuthenticationMethod(session_id=begun.id, authentication_method=method, created_at=now)
    session.add(how)
    return SignedIn(user, begun, how)


async def resume(session: RlsSession, token: RefreshToken, settings: Settings) -> SignedIn | None:
    """The session of a refresh token, one count further. None where reuse has ended it.

    The token before the present one gives the present one again: a client may have lost the answer. Older ones
    are a theft, unless they come within seconds.

    Raises:
        InvalidRefreshToken: not ours, or its session or account is gone.
        RefreshOfDisabledAccount
        SessionExpired: its time is over.
    """
    current = await repository.lock_session(session, token.session)
    # A session without a key, such as one of Supabase Auth's first version, has no tokens of this kind.
    key = current and current.refresh_token_hmac_key
    if current is None or not key or not token.is_signed_with(key):
        raise InvalidRefreshToken
    user = await repository.get_user(session, current.user_id)
    assert user is not None  # its session is locked, and would have gone with it
    if not await repository.may_sign_in(session, user.id):
        raise RefreshOfDisabledAccount
    if is_over(current, settings):
        raise SessionExpired
    method = await repository.get_method(session, current)
    count = current.refresh_token_counter or 0
    if token.counter == count:
        current.refresh_token_counter = count + 1
        current.refreshed_at = datetime.now(UTC).replace(tzinfo=None)
    elif token.counter != count - 1 and not _was_refreshed_within(current, settings.refresh_reuse_seconds):
        await session.delete(current)
        record(SecurityEvent.REFRESH_TOKEN_REUSED, subject=user.id)
        return None
    record(SecurityEvent.REFRESHED, subject=user.id)
    return SignedIn(user, current, method)


def is_over(session: AuthSession, settings: Settings) -> bool:
    """Whether a session's set end, longest life or longest rest has passed."""
    now = datetime.now(UTC)
    ends = [session.not_after] if session.not_after else []
    if settings.session_max_seconds is not None:
        ends.append(session.created_at + timedelta(seconds=settings.session_max_seconds))
    if settings.session_idle_seconds is not None:
        ends.append(_last_active(session) + timedelta(seconds=settings.session_idle_seconds))
    return any(end <= now for end in ends)


def _was_refreshed_within(session: AuthSession, seconds: int) -> bool:
    if session.refreshed_at is None:
        return False
    return datetime.now(UTC) - _last_active(session) < timedelta(seconds=seconds)


def _last_active(session: AuthSession) -> datetime:
    return session.refreshed_at.replace(tzinfo=UTC) if session.refreshed_at else session.created_at
