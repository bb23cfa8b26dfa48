"""What goes over the wire of `/api/v1/auth`."""

from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, EmailStr, Field, JsonValue, SecretStr

from api_main.core.fields import Strict, Text, Timestamp

Email = Annotated[EmailStr, Field(max_length=255), AfterValidator(str.lower)]
"""E-mails are compared, and stored, without case."""


def _without_nul(secret: SecretStr) -> SecretStr:
    if "\x00" in secret.get_secret_value():
        raise ValueError("NUL characters are not allowed")
    return secret


Password = Annotated[SecretStr, Field(min_length=1, max_length=1024), AfterValidator(_without_nul)]
FullName = Annotated[Text, Field(min_length=1, max_length=255)]
Username = Annotated[str, Field(pattern=r"^[a-z0-9_]{3,30}$", examples=["ada_l"])]
Locale = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35, examples=["en", "pt-BR"])]

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
    refresh_token: str = Field(max_length=1024)


class ChangePassword(Strict):
    current_password: Password
    new_password: Password = Field(description="8 characters or more, 72 bytes at most")


class ProfileChange(Strict):
    """Only what is named changes."""

    username: Username | None = None
    full_name: FullName | None = None
    locale: Locale = "en"


class ProfileRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    email: str | None
    username: str | None
    full_name: str | None
    locale: str
    is_active: bool
    is_superuser: bool
    created_at: Timestamp
    updated_at: Timestamp
