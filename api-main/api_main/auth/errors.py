"""What can be wrong with a caller."""

from api_main.core.errors import (
    ApiError,
    Conflict,
    PermissionDenied,
    ServiceUnavailable,
    TooManyRequests,
    Unauthenticated,
    ValidationFailed,
)


class InvalidToken(Unauthenticated):
    """A bearer token that is refused. The message never says more than its bearer may know."""

    code, message = "invalid_token", "The token is not valid."
    challenge = 'Bearer error="invalid_token"'


class TokenExpired(InvalidToken):
    code, message = "token_expired", "The token has expired."
    challenge = 'Bearer error="invalid_token", error_description="The token has expired"'


class RoleNotAllowed(InvalidToken):
    code, message = "role_not_allowed", "The role of this token is not allowed here."


class SessionEnded(InvalidToken):
    code, message = "session_ended", "This session has ended. Sign in again."


class InvalidCredentials(Unauthenticated):
    code, message = "invalid_credentials", "E-mail or password is wrong."


class InvalidRefreshToken(Unauthenticated):
    code, message = "invalid_refresh_token", "The refresh token is not valid."


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
    code, message = "weak_password", "The password is too easy to guess."


class TooManyAttempts(TooManyRequests):
    code, message = "too_many_attempts", "Too many failed sign-ins. Try again later."


class KeysUnavailable(ServiceUnavailable):
    code, message = "keys_unavailable", "The issuer's keys cannot be fetched. Try again soon."
