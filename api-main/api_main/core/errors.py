"""One class per kind of failure, each with its stable code and its status.

Raise them anywhere; `core/error_handlers.py` renders them all. `docs/errors.md` lists every code.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

RETRY_SECONDS = 1


class ApiError(Exception):
    """A failure that the caller is told about.

    Attributes:
        code: stable, for programs; part of the contract.
        status: the HTTP status.
        message: one sentence for people.
        field: the input that is at fault, as a dotted path.
        details: more, as JSON.
        headers: response headers that belong to this failure.
    """

    code: ClassVar[str]
    status: ClassVar[int]
    message: str = "The request failed."

    def __init__(
        self,
        message: str | None = None,
        *,
        field: str | None = None,
        details: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.message = message or type(self).message
        self.field = field
        self.details = details
        self.headers = dict(headers or {})
        super().__init__(self.message)


class BadRequest(ApiError):
    code, status, message = "bad_request", 400, "The request cannot be understood."


class InvalidCursor(ApiError):
    code, status, message = "invalid_cursor", 400, "The cursor does not belong to this list."


class UnknownApiVersion(ApiError):
    code, status, message = "unknown_api_version", 400, "This version of the API does not exist."


class Unauthenticated(ApiError):
    """No identity, or none that can be believed. The header is that of RFC 6750, section 3."""

    code, status, message = "unauthenticated", 401, "Sign in first."
    challenge: ClassVar[str] = "Bearer"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message, headers={"WWW-Authenticate": self.challenge})


class PermissionDenied(ApiError):
    code, status, message = "permission_denied", 403, "This is not allowed."


class NotFound(ApiError):
    code, status, message = "not_found", 404, "There is nothing here."


class MethodNotAllowed(ApiError):
    code, status, message = "method_not_allowed", 405, "This method is not offered here."


class HeadTimeout(ApiError):
    code, status, message = "head_timeout", 408, "The head of the request took too long."


class Conflict(ApiError):
    code, status, message = "conflict", 409, "This contradicts what is stored."


class PreconditionFailed(ApiError):
    code, status, message = "precondition_failed", 412, "It has been changed in the meantime."


class BodyTooLarge(ApiError):
    code, status, message = "body_too_large", 413, "The body is too large."


class UrlTooLong(ApiError):
    code, status, message = "url_too_long", 414, "The URL is too long."


class UnsupportedMediaType(ApiError):
    code, status, message = "unsupported_media_type", 415, "Send JSON, and say so in Content-Type."


class ValidationFailed(ApiError):
    """Input of the wrong form. `details` lists `{field, code, message}` for each fault."""

    code, status, message = "validation_failed", 422, "The input is not valid."


class HeadTooLarge(ApiError):
    code, status, message = "head_too_large", 431, "The headers of the request are too large."


class TooManyRequests(ApiError):
    code, status, message = "too_many_requests", 429, "Too many requests. Try again later."

    def __init__(
        self,
        message: str | None = None,
        *,
        retry_after: int = RETRY_SECONDS,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`headers` are those of the limit that was hit, where it is another than the client's own."""
        super().__init__(message, headers={"Retry-After": str(max(1, retry_after)), **(headers or {})})


class InternalError(ApiError):
    code, status, message = "internal_error", 500, "Something went wrong on our side."


class ServiceUnavailable(ApiError):
    code, status, message = "service_unavailable", 503, "A service that is needed is away. Try again soon."

    def __init__(self, message: str | None = None, *, details: Any = None, retry_after: int = RETRY_SECONDS) -> None:
        super().__init__(message, details=details, headers={"Retry-After": str(retry_after)})


class DatabaseUnavailable(ServiceUnavailable):
    code, message = "database_unavailable", "The database is away. Try again soon."


class TimedOut(ApiError):
    code, status, message = "timeout", 504, "It took too long and was stopped."
