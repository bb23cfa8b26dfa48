"""What Supabase's clients send. They send more than we read, so what is unknown is passed over."""

from typing import Any

from pydantic import BaseModel, Field, SecretStr

from api_main.auth.links import LinkType
from api_main.auth.schemas import Email
from api_main.core.fields import Text

Metadata = dict[str, Any]


class SignUp(BaseModel):
    email: Email | None = None
    phone: str | None = None
    password: SecretStr | None = None
    data: Metadata | None = None


class Credentials(BaseModel):
    """`POST /token`: what its grant type needs."""

    email: Email | None = None
    phone: str | None = None
    password: SecretStr | None = None
    refresh_token: str | None = None


class EmailForm(BaseModel):
    email: Email | None = None
    phone: str | None = None


class OtpForm(EmailForm):
    create_user: bool = True
    data: Metadata | None = None


class ResendForm(EmailForm):
    type: str = ""


class VerifyForm(BaseModel):
    type: str = ""
    email: Email | None = None
    phone: str | None = None
    token: Text = ""
    token_hash: Text = ""
    redirect_to: str | None = None


class UserChange(BaseModel):
    email: Email | None = None
    phone: str | None = None
    password: SecretStr | None = None
    nonce: str | None = None
    data: Metadata | None = None
    app_metadata: Metadata | None = None


class AdminUserForm(BaseModel):
    email: Email | None = None
    phone: str | None = None
    password: SecretStr | None = None
    role: str | None = Field(default=None, max_length=255)
    email_confirm: bool = False
    user_metadata: Metadata | None = None
    app_metadata: Metadata | None = None
    ban_duration: str | None = None


class DeleteForm(BaseModel):
    should_soft_delete: bool = False


class InviteForm(BaseModel):
    email: Email
    data: Metadata | None = None


class LinkForm(BaseModel):
    type: LinkType
    email: Email
    password: SecretStr | None = None
    data: Metadata | None = None
    redirect_to: str | None = None


def revealed(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
