"""Accounts and sessions, in the shape of Supabase Auth's tables, and the profiles that belong to them."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, Column, DateTime, FetchedValue, Text
from sqlalchemy.dialects.postgresql import INET, JSONB
from sqlmodel import Field, SQLModel


class User(SQLModel, table=True):
    """A row of `auth.users`: the columns that we read or write. Not to be seen by any API role."""

    __tablename__ = "users"
    __table_args__ = {"schema": "auth"}

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    aud: str = "authenticated"
    role: str = "authenticated"
    email: str | None = None
    phone: str | None = Field(default=None, sa_type=Text)
    encrypted_password: str | None = None
    email_confirmed_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    last_sign_in_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    raw_app_meta_data: dict[str, Any] = Field(default_factory=dict, sa_type=JSONB)
    raw_user_meta_data: dict[str, Any] = Field(default_factory=dict, sa_type=JSONB)
    is_sso_user: bool = False
    is_anonymous: bool = False
    updated_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))


class UserIdentity(SQLModel, table=True):
    """A row of `auth.identities`: one way in which an account signs in."""

    __tablename__ = "identities"
    __table_args__ = {"schema": "auth"}

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    user_id: UUID = Field(foreign_key="auth.users.id")
    provider: str
    provider_id: str
    identity_data: dict[str, Any] = Field(sa_type=JSONB)


class AuthSession(SQLModel, table=True):
    """A row of `auth.sessions`: one signed-in device, the key of its refresh tokens, and how many there were."""

    __tablename__ = "sessions"
    __table_args__ = {"schema": "auth"}

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    user_id: UUID = Field(foreign_key="auth.users.id")
    not_after: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    created_at: datetime | None = Field(
        default=None, sa_column=Column(DateTime(timezone=True), server_default=FetchedValue())
    )
    refreshed_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=False))
    user_agent: str | None = None
    ip: str | None = Field(default=None, sa_type=INET)
    refresh_token_hmac_key: str | None = None
    refresh_token_counter: int | None = Field(default=None, sa_type=BigInteger)


class Profile(SQLModel, table=True):
    """A row of `public.profiles`: what an account is called and may do."""

    __tablename__ = "profiles"

    id: UUID = Field(primary_key=True, foreign_key="auth.users.id", ondelete="CASCADE")
    username: str | None = Field(default=None, sa_type=Text, unique=True)
    email: str | None = Field(default=None, sa_type=Text)
    full_name: str | None = Field(default=None, sa_type=Text)
    locale: str = Field(sa_type=Text)
    is_active: bool
    is_superuser: bool
    created_at: datetime = Field(sa_type=DateTime(timezone=True))
    updated_at: datetime = Field(
        sa_column=Column(DateTime(timezone=True), nullable=False, server_onupdate=FetchedValue())
    )
