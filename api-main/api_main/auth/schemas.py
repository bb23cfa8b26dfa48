"""What goes over the wire of `/api/v1/auth`."""

from typing import Annotated
from uuid import UUID

from email_validator import SPECIAL_USE_DOMAIN_NAMES
from pydantic import AfterValidator, BaseModel, ConfigDict, EmailStr, Field, JsonValue, SecretStr

from api_main.core.fields import Strict, Timestamp

# Supabase Auth takes them too, and many a company's own network is called `corp.local`. Changing the list is what
# email-validator tells those to do who need to (its README).
SPECIAL_USE_DOMAIN_NAMES[:] = [name for name in SPECIAL_USE_DOMAIN_NAMES if name not in {"local", "test"}]

Email = Annotated[EmailStr, Field(max_length=255), AfterValidator(str.lower)]
"""E-mails are compared, and stored, without case."""


def _storable(text: str) -> str:
    """What bcrypt and Postgres take as it is: UTF-8 without NUL."""
    if "\x00" in text:
        raise ValueError("NUL characters are not allowed")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("Half of a surrogate pair is not a character")
    return text


def storable_secret(secret: SecretStr) -> SecretStr:
    _storable(secret.get_secret_value())
    return secret


Storable = Annotated[str, AfterValidator(_storable)]
"""Text that Postgres can store."""

Password = Annotated[SecretStr, Field(min_length=1, max_length=1024), AfterValidator(storable_secret)]
FullName = Annotated[Storable, Field(min_length=1, max_length=255)]
Username = Annotated[str, Field(pattern=r"^[a-z0-9_]{3,30}$", examples=["ada_l"])]
Locale = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35, examples=["en", "pt-BR"])]

OF_LOCALE = "The language of mails, and of answers where the request asks for none. Null: none has been chosen"

CREDENTIALS: dict[str, JsonValue] = {"email": "ada@example.com", "password": "correct-horse-demo"}


class Register(Strict):
    model_config = ConfigDict(json_schema_extra={"examples": [{**CREDENTIALS, "full_name": "Ada Lovelace"}]})

    email: Email
    password: Password = Field(description="8 characters or more, 72 bytes at most")
    full_name: FullName | None = None


class Login(Strict):
    model_config = ConfigDict(json_schema_extra={"examples": [CREDENTIALS]})

    email: Email
    password: Password


class Refresh(Strict):
    model_config = ConfigDict(json_schema_extra={"examples": [{"refresh_token": "AbsvK7Q2mWzt…"}]})

    refresh_token: str = Field(max_length=1024)


class ChangePassword(Strict):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"current_password": "correct-horse-demo", "new_password": "staple-battery-demo"}]
        }
    )

    current_password: Password
    new_password: Password = Field(description="8 characters or more, 72 bytes at most")


class ProfileChange(Strict):
    """Only what is named changes."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"full_name": "Ada Lovelace", "locale": "en"}]})

    username: Username | None = None
    full_name: FullName | None = None
    locale: Locale | None = Field(default=None, description=OF_LOCALE)


class ProfileRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    email: str | None
    username: str | None
    full_name: str | None
    locale: str | None
    is_active: bool
    is_superuser: bool
    created_at: Timestamp
    updated_at: Timestamp
