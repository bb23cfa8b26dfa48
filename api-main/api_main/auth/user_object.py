"""The user and session objects of Supabase Auth's wire format, which our own API answers with as well.

Fields without a value are left out, as there (supabase/auth, `internal/models/user.go`).
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field

from api_main.auth.models import User, UserIdentity
from api_main.core.fields import Timestamp


def _is_none(value: object) -> bool:
    return value is None


Optional = Annotated[Timestamp | None, Field(default=None, exclude_if=_is_none)]


class IdentityObject(BaseModel):
    """One way in which an account signs in."""

    identity_id: UUID
    id: str
    user_id: UUID
    identity_data: dict[str, Any]
    provider: str
    last_sign_in_at: Optional
    created_at: Timestamp
    updated_at: Timestamp
    email: str | None = Field(default=None, exclude_if=_is_none)


class UserObject(BaseModel):
    """An account as it may be shown to its owner and to administrators."""

    id: UUID
    aud: str
    role: str
    email: str
    email_confirmed_at: Optional
    invited_at: Optional
    phone: str = ""
    confirmation_sent_at: Optional
    confirmed_at: Optional
    recovery_sent_at: Optional
    new_email: str | None = Field(default=None, exclude_if=_is_none)
    email_change_sent_at: Optional
    reauthentication_sent_at: Optional
    last_sign_in_at: Optional
    app_metadata: dict[str, Any]
    user_metadata: dict[str, Any]
    identities: list[IdentityObject]
    created_at: Timestamp
    updated_at: Timestamp
    banned_until: Optional
    deleted_at: Optional
    is_anonymous: bool


class Tokens(BaseModel):
    """A session: the access token goes into `Authorization: Bearer …`; each refresh token is used once."""

    access_token: str
    token_type: str = "bearer"  # noqa: S105 - RFC 6750
    expires_in: int = Field(description="Seconds")
    expires_at: int = Field(description="Seconds since the epoch")
    refresh_token: str
    user: UserObject


def user_object(user: User, identities: Iterable[UserIdentity]) -> UserObject:
    return UserObject(
        **user.model_dump(include=SAME_NAME),
        email=user.email or "",
        phone=user.phone or "",
        confirmed_at=_earliest(user.email_confirmed_at, user.phone_confirmed_at),
        new_email=user.email_change or None,
        app_metadata=user.raw_app_meta_data or {},
        user_metadata=user.raw_user_meta_data or {},
        identities=[_identity_object(identity) for identity in identities],
    )


SAME_NAME = set(UserObject.model_fields) & set(User.model_fields) - {"email", "phone"}


def _identity_object(identity: UserIdentity) -> IdentityObject:
    return IdentityObject(
        identity_id=identity.id,
        id=identity.provider_id,
        user_id=identity.user_id,
        identity_data=identity.identity_data,
        provider=identity.provider,
        last_sign_in_at=identity.last_sign_in_at,
        created_at=identity.created_at,
        updated_at=identity.updated_at,
        email=identity.identity_data.get("email"),
    )


def _earliest(*moments: datetime | None) -> datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)
