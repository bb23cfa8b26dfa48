"""Hot reads: routes that do by themselves what FastAPI would do for them, in a fraction of the time."""

import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import cached_property, lru_cache
from inspect import iscoroutinefunction, signature
from typing import Annotated, Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

from fastapi import FastAPI, Request, Response, params
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.security import SecurityScopes
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.datastructures import QueryParams
from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from api_main.auth.bearer import bearer_token
from api_main.auth.dependencies import get_verified_principal
from api_main.auth.principal import Principal
from api_main.core.error_handlers import HANDLED, answer
from service_wire import tracing

T = TypeVar("T")

REMEMBERED_QUERIES = 256  # of each route: everybody asks for the first page, in one of a few orders

Extract = Callable[[Request], Any]
Dependency = Callable[[Request], Awaitable[Any]]
Become = Callable[[Request, Principal], Awaitable[Any]]


class ReadRoute(APIRoute):
    """A route whose function takes a reader, or whatever else is made of a request and its principal. Besides it, query
    models, headers, path parameters and what the application keeps: a dependency that asks for nothing but the request.

    The document, the order of the checks (first the caller, then the input) and every error are FastAPI's own.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        assert self._signature  # what is wrong with it should stop the start, not the first request
        return self.read

    async def read(self, request: Request) -> Response:
        takes = self._signature
        principal = await get_verified_principal(request, takes.needed, bearer_token(request.scope))
        arguments: dict[str, Any] = {takes.caller: await takes.become(request, principal)}
        for name, extract in takes.inputs.items():
            arguments[name] = extract(request)
        for name, dependency in takes.kept.items():
            arguments[name] = await dependency(request)
        endpoint: Callable[..., Awaitable[Response]] = self.endpoint
        return await endpoint(**arguments)

    @cached_property
    def _signature(self) -> "_Signature":
        hints = get_type_hints(self.endpoint, include_extras=True)
        hints.pop("return", None)
        caller, become, needed = _take_caller(hints)
        kept = {name: dependency for name, hint in hints.items() if (dependency := _dependency(hint)) is not None}
        inputs = {name: _input(name, hint) for name, hint in hints.items() if name not in kept}
        return _Signature(caller, become, needed, inputs, kept)


class _Signature(NamedTuple):
    """What the function takes, by name."""

    caller: str
    become: Become
    needed: SecurityScopes
    inputs: Mapping[str, Extract]
    kept: Mapping[str, Dependency]


class FastLane:
    """Hand requests straight to their `ReadRoute`, past FastAPI's tree of routers, its stacks and its wrappers.

    It answers for paths without parameters alone, or with UUIDs: no other route can mean those. Whatever it does
    not know goes the ordinary way.
    """

    def __init__(self, app: ASGIApp, routes_of: FastAPI) -> None:
        self.app = app
        self.fixed: dict[str, ReadRoute] = {}
        self.patterns: list[tuple[re.Pattern[str], ReadRoute]] = []
        self.templates: dict[Any, str] = {}
        for context in iter_route_contexts(routes_of.routes):
            route, path = context.original_route, context.path or ""
            self.templates[getattr(route, "endpoint", route)] = path
            if isinstance(route, ReadRoute):
                self._add(route, path)

    def _add(self, route: ReadRoute, path: str) -> None:
        if "{" in path:
            self.patterns.append((compile_path(re.sub(r"{(\w+)}", r"{\1:uuid}", path))[0], route))
        else:
            self.fixed[path] = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._find(scope) if scope["type"] == "http" and scope["method"] == "GET" else None
        if route is None:
            try:
                await self.app(scope, receive, send)
            finally:
                self._note_template(scope, scope.get("endpoint"))
            return
        self._note_template(scope, route.endpoint)
        tracing.name_route("GET", self.templates[route.endpoint])
        response = await _respond(route, Request(scope, receive))  # which has gone when a long answer begins
        await response(scope, receive, send)

    def _note_template(self, scope: Scope, endpoint: Any) -> None:
        """For the metrics, which must not know paths: those have no end."""
        template = self.templates.get(endpoint)
        if template is not None:
            scope.setdefault("state", {})["route"] = template

    def _find(self, scope: Scope) -> ReadRoute | None:
        path = scope["path"]
        if path in self.fixed:
            return self.fixed[path]
        for pattern, route in self.patterns:
            if found := pattern.match(path):
                scope["path_params"] = found.groupdict()
                return route
        return None


async def _respond(route: ReadRoute, request: Request) -> Response:
    try:
        return await route.read(request)
    except HANDLED as error:
        return await answer(request, error)


def _take_caller(hints: dict[str, Any]) -> tuple[str, Become, SecurityScopes]:
    for name, hint in hints.items():
        for mark in get_args(hint)[1:]:
            if isinstance(mark, params.Security) and (become := mark.dependency) and _is_of_a_principal(become):
                del hints[name]
                return name, become, SecurityScopes(list(mark.scopes or ()))
    raise TypeError("a ReadRoute needs a reader")


def _is_of_a_principal(dependency: Callable[..., Any]) -> bool:
    return iscoroutinefunction(dependency) and [*signature(dependency).parameters] == ["request", "principal"]


def _dependency(hint: Any) -> Dependency | None:
    found = (mark.dependency for mark in get_args(hint)[1:] if isinstance(mark, params.Depends))
    dependency: Dependency | None = next(found, None)
    return dependency


def _input(name: str, hint: Any) -> Extract:
    kind, *marks = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    if any(isinstance(mark, params.Query) for mark in marks):
        return _from_query(kind)
    adapter: TypeAdapter[Any] = TypeAdapter(hint)
    header = next((mark.alias or name.replace("_", "-") for mark in marks if isinstance(mark, params.Header)), None)
    if header is not None:
        return lambda request: _checked(adapter.validate_python, request.headers.get(header), "header", header)
    return lambda request: _checked(adapter.validate_python, request.path_params[name], "path", name)


def _from_query(model: type[BaseModel]) -> Extract:
    many = {name for name, field in model.model_fields.items() if get_origin(field.annotation) is list}

    @lru_cache(REMEMBERED_QUERIES)
    def read(text: bytes) -> BaseModel:
        query = QueryParams(text)
        raw = {name: query.getlist(name) if name in many else query[name] for name in query}
        return _checked(model.model_validate, raw, "query")

    return lambda request: read(request.scope["query_string"])


def _checked(validate: Callable[[Any], T], raw: Any, *where: str) -> T:
    try:
        return validate(raw)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        raise RequestValidationError([{**fault, "loc": (*where, *fault["loc"])} for fault in faults]) from None
