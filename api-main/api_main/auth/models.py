"""Accounts and sessions, in the shape of Supabase Auth's tables, and the profiles that belong to them."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, Column, DateTime, Enum, FetchedValue, SmallInteger, Text
from sqlalchemy.dialects.postgresql import INET, JSONB
from sqlmodel import Field, SQLModel

IN_AUTH = {"schema": "auth"}
MOMENT = DateTime(timezone=True)
WALL_CLOCK = DateTime(timezone=False)  # Supabase Auth keeps some times without a zone; they are UTC
TOKEN_KINDS = (
    "confirmation_token",
    "reauthentication_token",
    "recovery_token",
    "email_change_token_new",
    "email_change_token_current",
    "phone_change_token",
)


def _now() -> datetime:
    return datetime.now(UTC)


def now_without_zone() -> datetime:
    """The time in UTC, as Supabase Auth keeps some of its times."""
    return datetime.now(UTC).replace(tzinfo=None)


class User(SQLModel, table=True):
    """A row of `auth.users`: the columns that we read or write. Not to be seen by any API role."""

    __tablename__ = "users"
    __table_args__ = IN_AUTH

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    aud: str = "authenticated"
    role: str = "authenticated"
    email: str | None = None
    phone: str | None = Field(default=None, sa_type=Text)
    encrypted_password: str | None = None
    email_confirmed_at: datetime | None = Field(default=None, sa_type=MOMENT)
    phone_confirmed_at: datetime | None = Field(default=None, sa_type=MOMENT)
    invited_at: datetime | None = Field(default=None, sa_type=MOMENT)
    confirmation_sent_at: datetime | None = Field(default=None, sa_type=MOMENT)
    recovery_sent_at: datetime | None = Field(default=None, sa_type=MOMENT)
    email_change: str | None = None
    email_change_sent_at: datetime | None = Field(default=None, sa_type=MOMENT)
    email_change_confirm_status: int = Field(default=0, sa_type=SmallInteger)
    reauthentication_sent_at: datetime | None = Field(default=None, sa_type=MOMENT)
    last_sign_in_at: datetime | None = Field(default=None, sa_type=MOMENT)
    raw_app_meta_data: dict[str, Any] = Field(default_factory=dict, sa_type=JSONB)
    raw_user_meta_data: dict[str, Any] = Field(default_factory=dict, sa_type=JSONB)
    banned_until: datetime | None = Field(default=None, sa_type=MOMENT)
    deleted_at: datetime | None = Field(default=None, sa_type=MOMENT)
    is_anonymous: bool = False
    is_sso_user: bool = False
    created_at: datetime = Field(default_factory=_now, sa_type=MOMENT)
    updated_at: datetime = Field(default_factory=_now, sa_type=MOMENT, sa_column_kwargs={"onupdate": _now})


class UserIdentity(SQLModel, table=True):
    """A row of `auth.identities`: one way in which an account signs in."""

    __tablename__ = "identities"
    __table_args__ = IN_AUTH

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    user_id: UUID = Field(foreign_key="auth.users.id")
    provider: str = "email"
    provider_id: str
    identity_data: dict[str, Any] = Field(sa_type=JSONB)
    last_sign_in_at: datetime | None = Field(default=None, sa_type=MOMENT)
    created_at: datetime = Field(default_factory=_now, sa_type=MOMENT)
    updated_at: datetime = Field(default_factory=_now, sa_type=MOMENT, sa_column_kwargs={"onupdate": _now})


class AuthSession(SQLModel, table=True):
    """A row of `auth.sessions`: one signed-in device, the key of its refresh tokens, and how many there were."""

    __tablename__ = "sessions"
    __table_args__ = IN_AUTH

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    user_id: UUID = Field(foreign_key="auth.users.id")
    created_at: datetime = Field(sa_type=MOMENT)
    not_after: datetime | None = Field(default=None, sa_type=MOMENT)
    refreshed_at: datetime | None = Field(default=None, sa_type=WALL_CLOCK)
    user_agent: str | None = None
    ip: str | None = Field(default=None, sa_type=INET)
    refresh_token_hmac_key: str | None = None
    refresh_token_counter: int | None = Field(default=None, sa_type=BigInteger)


class AuthenticationMethod(SQLModel, table=True):
    """A row of `auth.mfa_amr_claims`: how a session was begun (`amr`, RFC 8176)."""

    __tablename__ = "mfa_amr_claims"
    __table_args__ = IN_AUTH

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    session_id: UUID = Field(foreign_key="auth.sessions.id")
    authentication_method: str
    created_at: datetime = Field(default_factory=_now, sa_type=MOMENT)


class OneTimeToken(SQLModel, table=True):
    """A row of `auth.one_time_tokens`: the digest of what was mailed."""

    __tablename__ = "one_time_tokens"
    __table_args__ = IN_AUTH

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    user_id: UUID = Field(foreign_key="auth.users.id")
    token_type: str = Field(sa_type=Enum(*TOKEN_KINDS, name="one_time_token_type", schema="auth", create_type=False))
    token_hash: str
    relates_to: str
    created_at: datetime = Field(default_factory=now_without_zone, sa_type=WALL_CLOCK)


class FlowState(SQLModel, table=True):
    """A row of `auth.flow_state`: a link that only opens where it was asked for, and the digest of its code."""

    __tablename__ = "flow_state"
    __table_args__ = IN_AUTH

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    user_id: UUID | None = Field(default=None, foreign_key="auth.users.id")
    auth_code: str | None = Field(default=None, sa_type=Text)
    code_challenge_method: str | None = Field(
        default=None, sa_type=Enum("s256", "plain", name="code_challenge_method", schema="auth", create_type=False)
    )
    code_challenge: str | None = Field(default=None, sa_type=Text)
    provider_type: str = Field(sa_type=Text)
    authentication_method: str = Field(sa_type=Text)
    auth_code_issued_at: datetime | None = Field(default=None, sa_type=MOMENT)
    created_at: datetime = Field(default_factory=_now, sa_type=MOMENT)
    updated_at: datetime = Field(default_factory=_now, sa_type=MOMENT, sa_column_kwargs={"onupdate": _now})


class Profile(SQLModel, table=True):
    """A row of `public.profiles`: what an account is called and may do."""

    __tablename__ = "profiles"

    id: UUID = Field(primary_key=True, foreign_key="auth.users.id", ondelete="CASCADE")
    username: str | None = Field(default=None, sa_type=Text, unique=True)
    email: str | None = Field(default=None, sa_type=Text)
    full_name: str | None = Field(default=None, sa_type=Text)
    locale: str | None = Field(default=None, sa_type=Text)
    is_active: bool
    is_superuser: bool
    is_deleted: bool
    created_at: datetime = Field(sa_type=MOMENT)
    updated_at: datetime = Field(sa_column=Column(MOMENT, nullable=False, server_onupdate=FetchedValue()))
