"""What Supabase's clients send. They send more than we read, so what is unknown is passed over."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, SecretStr, model_validator

from api_main.auth.pkce import Challenge, ChallengeMethod
from api_main.auth.schemas import Email, Storable, storable_secret

Metadata = dict[str, Any]
Secret = Annotated[SecretStr, AfterValidator(storable_secret)]


def _lower_or_none(value: Any) -> Any:
    """Clients leave out what they do not use, or send nothing in its place."""
    return (value.lower() or None) if isinstance(value, str) else value


class LinkedForm(BaseModel):
    """A request that ends in a mail with a link. With a challenge, only whoever asks can use it (RFC 7636)."""

    code_challenge: Annotated[str, Field(pattern=r"^(|[A-Za-z0-9._~-]{43,128})$")] | None = None
    code_challenge_method: Annotated[ChallengeMethod | None, BeforeValidator(_lower_or_none)] = None

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if bool(self.code_challenge) != bool(self.code_challenge_method):
            raise ValueError("PKCE needs both code_challenge and code_challenge_method")
        return self

    @property
    def challenge(self) -> Challenge | None:
        if not self.code_challenge or not self.code_challenge_method:
            return None
        return Challenge(self.code_challenge, self.code_challenge_method)


class SignUp(LinkedForm):
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
    auth_code: str | None = None
    code_verifier: str | None = None


class EmailForm(LinkedForm):
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


class UserChange(LinkedForm):
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
    # No token may name another role, so an account that has one could do nothing.
    role: Literal["authenticated"] | None = None
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
