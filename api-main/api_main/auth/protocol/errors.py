"""Our errors in Supabase Auth's words: status, `error_code` and message, in both of its forms.

Without a version header: `{"code": 400, "error_code": …, "msg": …}`; with `X-Supabase-Api-Version` of 2024-01-01 or
later: `{"code": …, "message": …}` (supabase/auth, `internal/api/errors.go`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response

from api_main.auth import errors as auth
from api_main.core import errors as core
from api_main.core.i18n import say

VERSION_HEADER = "X-Supabase-Api-Version"
VERSION = date(2024, 1, 1)
PASSED_ON = {"allow", "retry-after", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"}


class UserAlreadyExists(auth.EmailTaken):
    """Said to somebody who signs up; administrators and owners hear `EmailTaken`."""


class CallerNotFound(core.PermissionDenied):
    code, message = "caller_not_found", "The account of this token is gone."


class CallerBanned(core.PermissionDenied):
    code, message = "caller_banned", "This account is disabled."


class NotAdmin(core.PermissionDenied):
    code, message = "not_admin", "This is for administrators."


class OtpDisabled(core.ApiError):
    code, status, message = "otp_disabled", 422, "New accounts cannot be made in this way."


class UnsupportedGrant(core.BadRequest):
    code, message = "unsupported_grant", "This grant type is not offered."


@dataclass(frozen=True, slots=True)
class Words:
    """How Supabase Auth says it. Without a message ours is used."""

    status: int
    code: str
    message: str | None = None


WORDS: Mapping[type[core.ApiError], Words] = {
    auth.InvalidCredentials: Words(400, "invalid_credentials", "Invalid login credentials"),
    auth.EmailNotConfirmed: Words(400, "email_not_confirmed", "Email not confirmed"),
    auth.AccountDisabled: Words(400, "user_banned", "User is banned"),
    auth.InvalidRefreshToken: Words(400, "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found"),
    auth.RefreshOfDisabledAccount: Words(400, "user_banned", "Invalid Refresh Token: User Banned"),
    auth.RefreshTokenReused: Words(400, "refresh_token_already_used", "Invalid Refresh Token: Already Used"),
    auth.SessionExpired: Words(400, "session_expired", "Invalid Refresh Token: Session Expired"),
    auth.PasswordTooLong: Words(400, "validation_failed", "Password cannot be longer than 72 characters"),
    auth.ReauthenticationNeeded: Words(400, "reauthentication_needed", "Password update requires reauthentication"),
    UnsupportedGrant: Words(400, "validation_failed", "unsupported_grant_type"),
    core.BadRequest: Words(400, "bad_json", "Could not parse request body as JSON"),
    auth.InvalidDuration: Words(400, "validation_failed", "invalid format for ban duration"),
    core.ValidationFailed: Words(400, "validation_failed"),
    core.UnsupportedMediaType: Words(400, "bad_json", "Could not parse request body as JSON"),
    core.Unauthenticated: Words(401, "no_authorization", "This endpoint requires a valid Bearer token"),
    auth.InvalidToken: Words(403, "bad_jwt", "invalid JWT: unable to parse or verify signature"),
    auth.SubjectInvalid: Words(400, "bad_jwt", "invalid claim: sub claim must be a UUID"),
    auth.TokenExpired: Words(403, "bad_jwt", "invalid JWT: token has invalid claims: token is expired"),
    auth.SessionEnded: Words(403, "session_not_found", "Session from session_id claim in JWT does not exist"),
    CallerNotFound: Words(403, "user_not_found", "User from sub claim in JWT does not exist"),
    CallerBanned: Words(403, "user_banned", "User is banned"),
    NotAdmin: Words(403, "not_admin", "User not allowed"),
    auth.OneTimeTokenInvalid: Words(403, "otp_expired", "Token has expired or is invalid"),
    auth.FlowNotFound: Words(404, "flow_state_not_found", "invalid flow state, no valid flow state found"),
    auth.FlowExpired: Words(422, "flow_state_expired", "invalid flow state, flow state has expired"),
    auth.CodeVerifierWrong: Words(
        400, "bad_code_verifier", "code challenge does not match previously saved code verifier"
    ),
    auth.UserNotFound: Words(404, "user_not_found", "User not found"),
    core.NotFound: Words(404, "not_found", "404 page not found"),
    core.MethodNotAllowed: Words(405, "method_not_allowed", "405 method not allowed"),
    core.Conflict: Words(409, "conflict", "Too many concurrent requests on the same account"),
    core.BodyTooLarge: Words(413, "request_entity_too_large", "Request body too large"),
    UserAlreadyExists: Words(422, "user_already_exists", "User already registered"),
    auth.EmailTaken: Words(422, "email_exists", "A user with this email address has already been registered"),
    auth.SignUpDisabled: Words(422, "signup_disabled", "Signups not allowed for this instance"),
    auth.AnonymousUsersDisabled: Words(422, "anonymous_provider_disabled", "Anonymous sign-ins are disabled"),
    auth.AnonymousPassword: Words(
        422, "validation_failed", "Updating password of an anonymous user without an email or phone is not allowed"
    ),
    auth.WeakPassword: Words(422, "weak_password"),
    auth.SamePassword: Words(422, "same_password", "New password should be different from the old password."),
    auth.ReauthenticationInvalid: Words(422, "reauthentication_not_valid", "Nonce has expired or is invalid"),
    OtpDisabled: Words(422, "otp_disabled", "Signups not allowed for otp"),
    auth.MailTooSoon: Words(429, "over_email_send_rate_limit"),
    core.TooManyRequests: Words(429, "over_request_rate_limit", "Request rate limit reached"),
    core.ServiceUnavailable: Words(503, "unexpected_failure"),
    core.TimedOut: Words(504, "request_timeout", "Processing this request timed out, please retry after a moment."),
}
UNFORESEEN = Words(500, "unexpected_failure", "Unexpected failure, please check server logs for more information")


class ProtocolError(core.ApiError):
    """What has no counterpart among our own errors, in Supabase Auth's own words."""

    code, status = "protocol", 400

    def __init__(self, words: Words) -> None:
        super().__init__(words.message)
        self.words = words


def words_for(error: core.ApiError) -> Words:
    if isinstance(error, ProtocolError):
        return error.words
    return next((WORDS[kind] for kind in type(error).__mro__ if kind in WORDS), UNFORESEEN)


def render(error: core.ApiError, headers: Headers) -> Response:
    """The answer for an error, in the form that the caller's version asks for."""
    words = words_for(error)
    message = say(words.message or error.message, instead=type(error).message)
    extra = {name: value for name, value in error.headers.items() if name.lower() in PASSED_ON}
    extra["x-sb-error-code"] = words.code
    body: dict[str, Any] = {"code": words.status, "error_code": words.code, "msg": message}
    if _knows_version(headers.get(VERSION_HEADER)):
        extra[VERSION_HEADER] = VERSION.isoformat()
        body = {"code": words.code, "message": message}
    if words.code == "weak_password":
        body["weak_password"] = {"reasons": error.details or []}
    return JSONResponse(body, words.status, extra)


def _knows_version(asked: str | None) -> bool:
    try:
        return date.fromisoformat(asked or "") >= VERSION
    except ValueError:
        return False
