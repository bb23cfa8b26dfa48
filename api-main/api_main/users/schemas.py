"""What goes over the wire about accounts."""

from collections import Counter
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StrictBool, StringConstraints, model_validator

from api_main.auth.schemas import OF_LOCALE, Email, FullName, Locale, Password, Username
from api_main.core.fields import Moment, Strict, Timestamp, WithoutNul
from api_main.core.i18n import _
from api_main.core.pagination import CursorText, Limit

MOST_AT_ONCE = 1000
MOST_IN_A_REQUEST = 50
PROFILE = ("username", "full_name", "locale", "is_active", "is_superuser")

Sort = Literal["created", "-created", "email", "-email", "name", "-name"]
Search = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255), WithoutNul]

EXAMPLE: dict[str, JsonValue] = {
    "email": "grace@example.com",
    "password": "staple-battery-demo",
    "full_name": "Grace Hopper",
    "username": "grace_h",
}


class _WithProfile(Strict):
    @property
    def profile(self) -> dict[str, Any]:
        """What was said of the profile, by column."""
        return self.model_dump(include=set(PROFILE), exclude_unset=True)


class UserCreate(_WithProfile):
    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    email: Email
    password: Password | None = Field(
        default=None, description="8 characters or more, 72 bytes at most. Without one, the account signs in by link"
    )
    email_confirm: StrictBool = Field(
        default=True, description="Off: the e-mail must be confirmed before the first sign-in"
    )
    username: Username | None = None
    full_name: FullName | None = None
    locale: Locale | None = Field(default=None, description=OF_LOCALE)
    is_active: StrictBool = True
    is_superuser: StrictBool = False


class UserChange(_WithProfile):
    """Only what is named changes."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"full_name": "Grace Hopper", "is_superuser": True}]})

    email: Email = Field(default="", description="Counts as confirmed")
    password: Password | None = Field(default=None, description="A new one ends all sessions of the account")
    username: Username | None = None
    full_name: FullName | None = None
    locale: Locale | None = Field(default=None, description=OF_LOCALE)
    is_active: StrictBool = Field(
        default=True, description="Off: the account can no longer sign in, and its sessions end"
    )
    is_superuser: StrictBool = Field(default=False, description="Takes effect at once; one superuser always stays")


class UserBulk(Strict):
    """Up to 1,000 new accounts: all or none."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"users": [EXAMPLE]}]})

    users: list[UserCreate] = Field(min_length=1, max_length=MOST_AT_ONCE)

    @model_validator(mode="after")
    def _check_that_nobody_is_named_twice(self) -> Self:
        for name in ("email", "username"):
            counted = Counter(getattr(user, name) for user in self.users)
            twice = [value for value, count in counted.items() if value is not None and count > 1]
            if twice:
                raise ValueError(_("each {name} may be given once: {values}", name=name, values=", ".join(twice[:5])))
        return self


class UserRead(BaseModel):
    id: UUID
    email: str | None
    username: str | None
    full_name: str | None
    locale: str | None
    is_active: bool
    is_superuser: bool = Field(description="As the policies see it: a superuser who may not sign in is none")
    is_anonymous: bool
    email_confirmed_at: Timestamp | None
    last_sign_in_at: Timestamp | None
    banned_until: Timestamp | None
    deleted_at: Timestamp | None = Field(description="When the account was deleted softly")
    created_at: Timestamp
    updated_at: Timestamp


class UserFilter(Strict):
    """Which accounts. Filters must all hold."""

    is_active: bool | None = Field(default=None, description="Not switched off, or switched off")
    is_superuser: bool | None = Field(default=None, description="Superusers alone, or all others")
    created_after: Moment | None = Field(default=None, description="Made at this moment or later")
    created_before: Moment | None = Field(default=None, description="Made earlier than this")
    search: Search | None = Field(default=None, description="Part of the name, the e-mail or the username")


class UserListQuery(UserFilter):
    sort: Sort = Field(default="-created", description="`-` for descending")
    limit: Limit = 50
    cursor: CursorText = None
    include_total: bool = Field(default=False, description="Count all that match, in `meta.total`")
