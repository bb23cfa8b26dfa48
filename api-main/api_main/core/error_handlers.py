"""Turn every exception into an `ApiError`, and every `ApiError` into an answer. One place, one form."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import psycopg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from psycopg_pool import PoolTimeout, TooManyRequests
from sqlalchemy.exc import DBAPIError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from api_main.core import errors
from api_main.core.envelope import failure
from api_main.core.i18n import current_audience
from api_main.core.metrics import ERRORS
from api_main.core.validation_messages import message_of

log = structlog.get_logger()

# SQLSTATE, whole or its class (https://www.postgresql.org/docs/current/errcodes-appendix.html).
# Never the server's own sentence: it can name another user's row.
BY_SQLSTATE: dict[str, type[errors.ApiError]] = {
    "42501": errors.PermissionDenied,
    "23503": errors.Conflict,
    "23505": errors.Conflict,
    "23": errors.ValidationFailed,
    "22": errors.BadRequest,
    "40": errors.Conflict,
    "57014": errors.TimedOut,
    "55P03": errors.Conflict,
    "25P03": errors.TimedOut,
    "53": errors.DatabaseUnavailable,
    "57": errors.DatabaseUnavailable,
    "58": errors.DatabaseUnavailable,
    "08": errors.DatabaseUnavailable,
}

MAX_FAULTS = 100  # that one answer lists
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

BY_STATUS: dict[int, type[errors.ApiError]] = {
    400: errors.BadRequest,
    401: errors.Unauthenticated,
    403: errors.PermissionDenied,
    404: errors.NotFound,
    405: errors.MethodNotAllowed,
    413: errors.BodyTooLarge,
    415: errors.UnsupportedMediaType,
}


def from_database(error: psycopg.Error) -> errors.ApiError:
    """What an error of the database means to the caller."""
    if isinstance(error, PoolTimeout | TooManyRequests):
        return errors.DatabaseUnavailable("The server is busy. Try again soon.")
    state = error.sqlstate
    if state is None:
        lost = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        return errors.DatabaseUnavailable() if lost else errors.InternalError()
    return (BY_SQLSTATE.get(state) or BY_SQLSTATE.get(state[:2]) or errors.InternalError)()


def from_validation(error: RequestValidationError, content_type: str) -> errors.ApiError:
    """422 for input of the wrong form; 400 for what is not JSON at all; 415 for what does not say that it is."""
    faults = error.errors()
    if any(fault["type"] == "json_invalid" for fault in faults):
        return errors.BadRequest("The body is not valid JSON.")
    at_body = {fault["type"] for fault in faults if tuple(fault["loc"]) == ("body",)}
    if at_body and not _is_json(content_type) and (content_type or at_body != {"missing"}):
        return errors.UnsupportedMediaType()
    details = [
        {"field": _path(fault["loc"]), "code": fault["type"], "message": message_of(fault)}
        for fault in faults[:MAX_FAULTS]
    ]
    return errors.ValidationFailed(details[0]["message"], field=details[0]["field"], details=details)


def from_exception(error: Exception, content_type: str = "") -> errors.ApiError:
    """The `ApiError` that stands for any exception. Whatever nobody foresaw is a 500, and is logged whole."""
    match error:
        case errors.ApiError():
            return error
        case RequestValidationError():
            return from_validation(error, content_type)
        case DBAPIError(orig=psycopg.Error() as cause):
            return from_database(cause)
        case psycopg.Error():
            return from_database(error)
        case HTTPException():
            return _from_http(error)
        case _:
            return errors.InternalError()


def _from_http(error: HTTPException) -> errors.ApiError:
    known = BY_STATUS.get(error.status_code, errors.BadRequest if error.status_code < 500 else errors.InternalError)
    converted = known()
    converted.headers.update({name.lower(): value for name, value in (error.headers or {}).items()})
    return converted


ErrorForm = Callable[[errors.ApiError, Headers], Response]


def render(error: errors.ApiError, scope: Scope) -> Response:
    """The answer for an error: in our form, or in that of the protocol which is spoken at this path."""
    ERRORS.labels(error.code).inc()
    forms: Mapping[str, ErrorForm] = scope["app"].state.error_forms
    for prefix, form in forms.items():
        if scope["path"].startswith(prefix):
            return form(error, Headers(scope=scope))
    body = failure(error, scope["state"]["request_id"]).model_dump_json()
    return Response(body, error.status, error.headers, media_type="application/json")


async def answer(request: Request, error: Exception) -> Response:
    """The exception handler for everything."""
    converted = from_exception(error, request.headers.get("content-type", ""))
    if converted.status >= 500:
        log.error("request_failed", code=converted.code, exc_info=error)
    # Not its subclasses: "this account is disabled" is an answer to somebody who has just shown a password.
    if type(converted) is errors.PermissionDenied and _is_anonymous(request):
        converted = errors.Unauthenticated()
    if isinstance(converted, errors.MethodNotAllowed):
        converted.headers["allow"] = ", ".join(_allowed_methods(request))
    await _learn_locale(request, converted)
    return render(converted, request.scope)


HANDLED = (errors.ApiError, RequestValidationError, DBAPIError, psycopg.Error, HTTPException)
"""What has an answer; any other exception is a fault of ours, for `LastResort`."""


LocaleOf = Callable[[Request, bool], Awaitable[str | None]]
"""The locale of the caller's profile. The second argument says whether it may be looked for in the database."""


def install(app: FastAPI, forms: Mapping[str, ErrorForm]) -> None:
    """Answer every exception of this application; paths with one of these prefixes have a form of their own."""
    app.state.error_forms = forms
    for kind in HANDLED:
        app.add_exception_handler(kind, answer)


async def _learn_locale(request: Request, error: errors.ApiError) -> None:
    """Look for the caller's language where the request names none: only for an error, and not to make things worse."""
    audience = current_audience.get()
    find: LocaleOf | None = getattr(request.app.state, "locale_of", None)
    if audience is not None and find is not None and not audience.asks_for_one:
        audience.locale = await find(request, error.status < 500 and error.status not in {401, 429})


def _allowed_methods(request: Request) -> list[str]:
    """Every method of this path: Starlette names those of the first route alone. HEAD is answered like GET."""
    offered = [method for method in METHODS if _is_offered(request, "GET" if method == "HEAD" else method)]
    return [method for method in offered if method != "HEAD" or request.method != "HEAD"]


def _is_offered(request: Request, method: str) -> bool:
    scope = {"type": "http", "method": method, "path": request.scope["path"], "root_path": request.scope["root_path"]}
    return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)


def _is_anonymous(request: Request) -> bool:
    return "authorization" not in request.headers


def _is_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "application/json" or (media_type.startswith("application/") and media_type.endswith("+json"))


def _path(location: Sequence[Any]) -> str:
    """`("body", "title")` is `title`: where the input came from is plain from its name."""
    inner = location[1:] if len(location) > 1 else location
    return ".".join(str(part) for part in inner)
