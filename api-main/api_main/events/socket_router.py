"""`WS /api/v1/ws`: tasks, jobs and presence over one connection."""

import asyncio
from collections.abc import Sequence

import psycopg
import structlog
from fastapi import APIRouter
from sqlalchemy.exc import DBAPIError
from starlette.websockets import WebSocket, WebSocketDisconnect

from api_main.auth.errors import InvalidToken, KeysUnavailable
from api_main.auth.principal import Principal
from api_main.auth.watching import look_again
from api_main.core.error_handlers import from_exception
from api_main.core.errors import ApiError, Unauthenticated
from api_main.events import messages
from api_main.events.connection import Connection
from api_main.events.errors import TooManyStreams
from api_main.events.messages import Authenticate
from api_main.events.wire import Closed, Code, Wire

PROTOCOL = "live.v1"
TOKEN_PREFIX = "bearer."  # noqa: S105 - of a subprotocol, with which a browser can send a token
AUTHENTICATION_SECONDS = 10.0

log = structlog.get_logger()
router = APIRouter()


@router.websocket("/ws", name="open_socket")
async def open_socket(websocket: WebSocket) -> None:
    if not _is_trusted(websocket.headers.get("origin"), websocket.app.state.settings.cors_origins):
        await websocket.close()  # before it is accepted: a 403
        return
    offered: Sequence[str] = websocket.scope["subprotocols"]
    await websocket.accept(PROTOCOL if PROTOCOL in offered else None)
    wire = Wire(websocket)
    try:
        await _serve(websocket, wire, offered)
    except WebSocketDisconnect:
        pass
    except Closed as closed:
        log.info("socket_closed", code=closed.code, reason=closed.error.code if closed.error else None)
        await wire.close(closed)


async def _serve(websocket: WebSocket, wire: Wire, offered: Sequence[str]) -> None:
    state = websocket.app.state
    token = await _token(wire, offered)
    try:
        principal: Principal = await look_again(state, token)
    except InvalidToken as refused:
        raise Closed(Code.UNAUTHENTICATED, refused) from None
    except (KeysUnavailable, DBAPIError, psycopg.Error) as trouble:
        raise Closed(Code.TRY_LATER, from_exception(trouble)) from None
    try:
        with await state.hub.follow(principal.subject) as follower:
            await Connection(state, wire, follower, principal, token).run()
    except TooManyStreams as refused:
        raise Closed(Code.TOO_MANY, refused) from None


async def _token(wire: Wire, offered: Sequence[str]) -> str:
    """Out of the subprotocols, or the first message. Never out of the URL, which stands in logs."""
    for name in offered:
        if name.startswith(TOKEN_PREFIX):
            return name.removeprefix(TOKEN_PREFIX)
    try:
        async with asyncio.timeout(AUTHENTICATION_SECONDS):
            first = messages.parse(await wire.receive())
    except TimeoutError:
        raise Closed(Code.SILENT, Unauthenticated()) from None
    except ApiError as fault:
        raise Closed(Code.UNAUTHENTICATED, fault) from None
    if not isinstance(first, Authenticate):
        raise Closed(Code.UNAUTHENTICATED, Unauthenticated())
    return first.token


def _is_trusted(origin: str | None, allowed: Sequence[str]) -> bool:
    """As CORS has it, which does not cover WebSockets. Programs that are no browsers name no origin."""
    return origin is None or origin in allowed or "*" in allowed
