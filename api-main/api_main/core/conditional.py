"""Nothing is sent twice to somebody who has it: `ETag`, `If-None-Match` and 304 (RFC 9110, section 13.1.2)."""

from collections.abc import Awaitable, Mapping
from hashlib import sha256
from typing import NamedTuple

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api_main.core.raw_headers import RawHeaders, first

# What a 304 does not say (RFC 9110, section 15.4.5).
OF_THE_CONTENT = {b"content-length", b"content-type", b"content-encoding", b"content-language"}


class ConditionalGet:
    """Answer 304 where the caller has named the `ETag` of the answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        known = (
            first(scope["headers"], b"if-none-match") if scope["type"] == "http" and scope["method"] == "GET" else None
        )
        if known is None:
            return self.app(scope, receive, send)
        return self._answer(known, scope, receive, send)

    async def _answer(self, known: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        is_known = False

        async def send_what_is_new(message: Message) -> None:
            nonlocal is_known
            if message["type"] == "http.response.start":
                is_known = message["status"] == 200 and _matches(known, message["headers"])
                if is_known:
                    left = [header for header in message["headers"] if header[0] not in OF_THE_CONTENT]
                    message = {**message, "status": 304, "headers": left}
            elif is_known and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self.app(scope, receive, send_what_is_new)


class _Document(NamedTuple):
    headers: RawHeaders
    body: bytes


class PublicDocuments:
    """Documents that everybody may see and that hold for the life of the process: made once, and then kept.

    Each gets an `ETag`, and what `paths` says of its caching, where it says nothing itself.
    """

    def __init__(self, app: ASGIApp, paths: Mapping[str, str]) -> None:
        self.app = app
        self._paths = paths
        self._kept: dict[str, _Document] = {}

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        path: str = scope["path"] if scope["type"] == "http" and scope["method"] == "GET" else ""
        if path not in self._paths or scope.get("root_path"):
            return self.app(scope, receive, send)
        return self._answer(path, scope, receive, send)

    async def _answer(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        if path not in self._kept:
            await self._make(path, scope, receive)
        if path not in self._kept:  # it is not there
            await self.app(scope, receive, send)
            return
        scope.setdefault("state", {})["route"] = path  # for the metrics
        headers, body = self._kept[path]
        await send({"type": "http.response.start", "status": 200, "headers": list(headers)})
        await send({"type": "http.response.body", "body": body})

    async def _make(self, path: str, scope: Scope, receive: Receive) -> None:
        begun: Message = {}
        body = bytearray()

        async def keep(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = message
            else:
                body.extend(message.get("body", b""))

        await self.app(scope, receive, keep)
        if begun.get("status") == 200:
            headers = [*begun["headers"], (b"etag", f'"{sha256(body).hexdigest()[:32]}"'.encode())]
            if first(headers, b"cache-control") is None:
                headers.append((b"cache-control", self._paths[path].encode()))
            self._kept[path] = _Document(headers, bytes(body))


def _matches(known: bytes, headers: RawHeaders) -> bool:
    """Compared weakly: whether it may be sent compressed does not matter here."""
    tag = first(headers, b"etag")
    if tag is None:
        return False
    tags = {each.strip().removeprefix(b"W/") for each in known.split(b",")}
    return b"*" in tags or tag.removeprefix(b"W/") in tags
