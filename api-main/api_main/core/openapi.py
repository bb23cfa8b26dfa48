"""What FastAPI's OpenAPI document cannot know by itself: the errors that a route can answer, and how often."""

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from api_main.core.envelope import Failure
from api_main.core.errors import (
    ApiError,
    BadRequest,
    BodyTooLarge,
    DatabaseUnavailable,
    InternalError,
    ServiceUnavailable,
    TimedOut,
    TooManyRequests,
    Unauthenticated,
    UnsupportedMediaType,
    ValidationFailed,
)

Responses = dict[int | str, dict[str, Any]]

# What any route may answer, and any that reads a body.
ALWAYS = (TooManyRequests, InternalError, DatabaseUnavailable, TimedOut)
BODY = (BadRequest, BodyTooLarge, UnsupportedMediaType, ValidationFailed)

ETAG = {"ETag": {"schema": {"type": "string"}, "description": "The version, for `If-Match`"}}
RATE_LIMIT = {
    "RateLimit-Limit": {"schema": {"type": "integer"}, "description": "Requests that the window allows"},
    "RateLimit-Remaining": {"schema": {"type": "integer"}, "description": "How many of them are left"},
    "RateLimit-Reset": {"schema": {"type": "integer"}, "description": "Seconds until the window is over"},
}
NOT_MODIFIED: Responses = {304: {"description": "What `If-None-Match` names is what there is", "headers": ETAG}}
LOCATION = {"Location": {"schema": {"type": "string"}, "description": "Where it can be read"}}


def errors(*classes: type[ApiError]) -> Responses:
    """The `responses` of a route or router: one entry per status, one example per code."""
    responses: Responses = {}
    wanted: set[type[ApiError]] = {*ALWAYS, *classes}
    for error in sorted(wanted, key=lambda error: (error.status, error.code)):
        entry = responses.setdefault(
            error.status,
            {"model": Failure, "description": error.message, "content": {"application/json": {"examples": {}}}},
        )
        entry["content"]["application/json"]["examples"][error.code] = {"value": _example(error)}
        if headers := _headers(error):
            entry["headers"] = headers
    return responses


def errors_beside_a_stream(*classes: type[ApiError]) -> Responses:
    """`errors` for a route that answers with something else than JSON: FastAPI would take them for that as well."""
    responses = errors(*classes)
    for response in responses.values():
        del response["model"]
        response["content"]["application/json"]["schema"] = {"$ref": f"#/components/schemas/{Failure.__name__}"}
    return responses


def operation_id(route: APIRoute) -> str:
    """The name of the function: the generated clients' methods are called after it."""
    return route.name


def describe_limits(app: FastAPI) -> None:
    """Have the document say that every answer carries the headers of the limits."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        known = app.openapi_schema
        document = generate()
        if document is not known:
            _add_limits(document)
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _add_limits(document: dict[str, Any]) -> None:
    document["components"]["headers"] = RATE_LIMIT
    references = {name: {"$ref": f"#/components/headers/{name}"} for name in RATE_LIMIT}
    for path in document["paths"].values():
        for operation in path.values():
            for answer in operation["responses"].values():
                answer["headers"] = answer.get("headers", {}) | references


def _headers(error: type[ApiError]) -> dict[str, Any]:
    if error.status == Unauthenticated.status:
        return {"WWW-Authenticate": {"schema": {"type": "string"}, "description": "RFC 6750, section 3"}}
    wait = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait"}}
    return wait if error.status in {TooManyRequests.status, ServiceUnavailable.status} else {}


def _example(error: type[ApiError]) -> dict[str, Any]:
    return {
        "success": False,
        "error": {
            "code": error.code,
            "message": error.message,
            "field": None,
            "details": None,
            "request_id": "0d5b1c52-0f3c-4ee3-a6a6-3f0c1b6a5c11",
            "trace_id": None,
            "timestamp": "2026-11-20T12:00:00+00:00",
        },
    }
