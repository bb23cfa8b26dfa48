"""What Supabase's clients send. They send more than we read, so what is unknown is passed over."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, SecretStr

from api_main.auth.schemas import Email, Storable, storable_secret

Metadata = dict[str, Any]
Secret = Annotated[SecretStr, AfterValidator(storable_secret)]


class SignUp(BaseModel):
    email: Email | None = None
    phone: str | None = None
    password: Secret | None = None
    data: Metadata | None = None


class Credentials(BaseModel):
    """`POST /token`: what its grant type needs."""

    email: Email | None = None
    phone: str | None = None
    password: Secret | None = None
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
    token: Storable = ""
    token_hash: Storable = ""


class UserChange(BaseModel):
    email: Email | None = None
    phone: str | None = None
    password: Secret | None = None
    nonce: Storable | None = None
    data: Metadata | None = None
    app_metadata: Metadata | None = None


class AdminUserForm(BaseModel):
    email: Email | None = None
    phone: str | None = None
    password: Secret | None = None
    role: Annotated[Storable, Field(max_length=255)] | None = None
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
    type: Literal["signup", "invite", "magiclink", "recovery", "email_change_current", "email_change_new"]
    email: Email
    new_email: Email | None = None
    password: Secret | None = None
    data: Metadata | None = None
    redirect_to: str | None = None


def revealed(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
