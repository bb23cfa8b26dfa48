"""Routes that create something, and the session that they do it in."""

from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Response, params
from fastapi.routing import APIRoute

from api_main.auth.afterwards import AFTERWARDS
from api_main.auth.dependencies import CurrentPrincipal, CurrentSettings, session_for
from api_main.auth.once import EACH_TIME, Once
from api_main.auth.scopes import Scope
from api_main.core.database import Database, RlsSession
from api_main.core.i18n import _
from api_main.idempotency import service
from api_main.idempotency.errors import InvalidIdempotencyKey
from api_main.idempotency.keys import parse
from api_main.idempotency.service import REPLAYED, AnsweredBefore, Attempt
from api_main.idempotency.sign_up import SignUpOnce

HEADER = "Idempotency-Key"
UNGUESSABLE = 32  # characters: a UUID has more
ATTEMPT = "idempotency_attempt"  # in the state of a request

REPLAYED_HEADER = {REPLAYED: {"schema": {"const": "true"}, "description": "The answer to an earlier request"}}

KeyHeader = Annotated[
    str | None,
    Header(
        alias=HEADER,
        description="Your name for this request, such as a UUID: sent again within 24 hours, it is answered as before"
        " and not done again",
    ),
]


class IdempotentRoute(APIRoute):
    """A route that answers a request which was answered before, or has its answer stored with what it has done.

    What is to be done after the answer is done after each: nobody knows whether the first time came to it.
    FastAPI commits the session of `creation_for` when this handler has returned, and sends the answer after that.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                response = await handle(request)
            except AnsweredBefore as before:
                before.response.background = request.scope["state"].get(AFTERWARDS)
                return before.response
            attempt: Attempt | None = request.scope["state"].get(ATTEMPT)
            if attempt is not None:
                await attempt.keep(response)
            return response

        return answer


async def get_creation(
    request: Request, principal: CurrentPrincipal, _key: KeyHeader = None
) -> AsyncIterator[RlsSession]:
    secret = parse(request.headers.getlist(HEADER))
    database: Database = request.app.state.database
    answered: AnsweredBefore | None = None
    async with database.session(principal.identity) as session:
        if secret is not None:
            try:
                request.scope["state"][ATTEMPT] = await service.begin(session, principal, request, secret)
            except AnsweredBefore as before:  # nothing but read: a commit costs a round trip less than a rollback
                answered = before
        if answered is None:
            yield session
    if answered is not None:
        raise answered


def creation_for(*scopes: Scope, get: Callable[..., Any] = get_creation) -> params.Security:
    """The caller's transaction as `session_for` gives it, in an `IdempotentRoute`; `get` may do more with it."""
    return session_for(*scopes, get=get)


async def require_unguessable_key(request: Request, _principal: CurrentPrincipal) -> None:
    """Where an answer holds a secret, the key under which it is stored must be as good as one."""
    _parse_unguessable(request)


async def get_sign_up(request: Request, settings: CurrentSettings, _key: KeyHeader = None) -> Once:
    # Supabase Auth makes its accounts in transactions of its own: an answer could be lost, or tell of nothing.
    secret = _parse_unguessable(request) if settings.is_standalone else None
    return EACH_TIME if secret is None else SignUpOnce(await service.read(request, secret))


CurrentSignUp = Annotated[Once, Depends(get_sign_up)]
"""A sign-up in an `IdempotentRoute`, by somebody who has no identity yet."""


def _parse_unguessable(request: Request) -> str | None:
    secret = parse(request.headers.getlist(HEADER))
    if secret is not None and len(secret) < UNGUESSABLE:
        raise InvalidIdempotencyKey(
            _("Use a random Idempotency-Key of at least {least} characters here.", least=UNGUESSABLE)
        )
    return secret
