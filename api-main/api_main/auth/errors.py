"""What can be wrong with a caller."""

from collections.abc import Sequence

from api_main.core.errors import (
    ApiError,
    BadRequest,
    Conflict,
    NotFound,
    PermissionDenied,
    ServiceUnavailable,
    TooManyRequests,
    Unauthenticated,
    ValidationFailed,
)
from api_main.core.i18n import plural


class InvalidToken(Unauthenticated):
    """A bearer token that is refused. The message never says more than its bearer may know."""

    code, message = "invalid_token", "The token is not valid."
    challenge = 'Bearer error="invalid_token"'


class SubjectInvalid(InvalidToken):
    """Well signed, but its subject is no account's id. Only Supabase Auth's protocol tells it from the others."""


class TokenExpired(InvalidToken):
    code, message = "token_expired", "The token has expired."
    challenge = 'Bearer error="invalid_token", error_description="The token has expired"'


class RoleNotAllowed(InvalidToken):
    code, message = "role_not_allowed", "The role of this token is not allowed here."


class SessionEnded(InvalidToken):
    code, message = "session_ended", "This session has ended. Sign in again."


class InsufficientScope(PermissionDenied):
    """A personal access token at a route that is beyond its scopes (RFC 6750, section 3.1)."""

    code, message = "insufficient_scope", "This token's scopes do not allow this."

    def __init__(self, needed: Sequence[str]) -> None:
        challenge = f'Bearer error="insufficient_scope", scope="{" ".join(needed)}"'
        super().__init__(details={"needed": list(needed)}, headers={"WWW-Authenticate": challenge})


class ApiTokenNotFound(NotFound):
    code, message = "api_token_not_found", "There is no such token."


class InvalidCredentials(Unauthenticated):
    code, message = "invalid_credentials", "E-mail or password is wrong."


class EmailNotConfirmed(ApiError):
    code, status, message = "email_not_confirmed", 403, "Confirm your e-mail first."


class SignUpDisabled(ApiError):
    code, status, message = "sign_up_disabled", 403, "New accounts cannot be made here."


class AnonymousUsersDisabled(ApiError):
    code, status, message = "anonymous_users_disabled", 403, "Accounts without an e-mail cannot be made here."


class OneTimeTokenInvalid(ApiError):
    code, status, message = "one_time_token_invalid", 403, "The link or code is invalid or has expired."


class FlowNotFound(NotFound):
    """PKCE, RFC 7636: a code that was never issued, was used, or whose link was asked for without a challenge."""

    code, message = "flow_not_found", "This link was not asked for in this way, or its code was used."


class FlowExpired(ValidationFailed):
    code, message = "flow_expired", "The code of this link has expired."


class CodeVerifierWrong(BadRequest):
    code, message = "code_verifier_wrong", "The link was asked for somewhere else."


class ReauthenticationNeeded(PermissionDenied):
    code, message = "reauthentication_needed", "Confirm that it is you first."


class ReauthenticationInvalid(PermissionDenied):
    code, message = "reauthentication_invalid", "The confirmation code is invalid or has expired."


class InvalidDuration(ValidationFailed):
    code, message = "invalid_duration", "Write a duration such as 24h, or none."


class UserNotFound(NotFound):
    code, message = "user_not_found", "There is no such account."


class SessionExpired(Unauthenticated):
    code, message = "session_expired", "This session has expired. Sign in again."


class InvalidRefreshToken(Unauthenticated):
    code, message = "invalid_refresh_token", "The refresh token is not valid."


class RefreshOfDisabledAccount(InvalidRefreshToken):
    """Supabase Auth's protocol has words of its own for this."""


class RefreshTokenReused(Unauthenticated):
    code, message = "refresh_token_reused", "This refresh token was used before. The session has been ended."


class AccountDisabled(ApiError):
    """No `PermissionDenied`, which tells those who have not signed in yet to do so."""

    code, status, message = "account_disabled", 403, "This account is disabled."


class WrongPassword(PermissionDenied):
    code, message = "wrong_password", "The current password is another."


class EmailTaken(Conflict):
    code, message = "email_taken", "An account with this e-mail exists already."


class UsernameTaken(Conflict):
    code, message = "username_taken", "This username is taken."


class SamePassword(ValidationFailed):
    code, message = "same_password", "The new password must differ from the old one."


class WeakPassword(ValidationFailed):
    """`details` lists the reasons, in Supabase Auth's words: `length`, `characters`, `pwned`."""

    code, message = "weak_password", "The password is too easy to guess."


class AnonymousPassword(ValidationFailed):
    code, message = "anonymous_password", "An account without an e-mail cannot have a password."


class PasswordTooLong(WeakPassword):
    code, message = "password_too_long", "The password must not exceed 72 bytes."


class TooManyAttempts(TooManyRequests):
    code, message = "too_many_attempts", "Too many failed sign-ins. Try again later."


class MailTooSoon(TooManyRequests):
    code, message = "mail_too_soon", "Such a mail was sent just now. Try again later."

    def __init__(self, seconds: int) -> None:
        super().__init__(
            plural(
                "For security purposes, you can only request this after {n} second.",
                "For security purposes, you can only request this after {n} seconds.",
                seconds,
            ),
            retry_after=seconds,
        )


class KeysUnavailable(ServiceUnavailable):
    code, message = "keys_unavailable", "The issuer's keys cannot be fetched. Try again soon."


class AuthUnavailable(ServiceUnavailable):
    code, message = "auth_unavailable", "The service that keeps the accounts is away. Try again soon."
