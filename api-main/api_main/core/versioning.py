"""`/api/<rest>` without a version is answered by the version that `X-API-Version` names.

A version that is on its way out says so in every answer (RFC 9745 `Deprecation`, RFC 8594 `Sunset`).
"""

import re
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api_main.core.errors import UnknownApiVersion

PREFIX = "/api/"
VERSIONED = re.compile(r"/api/(v\d+)(?:/|$)")
DEFAULT = "v1"


@dataclass(frozen=True, slots=True)
class ApiVersion:
    """A version of the API and, where they are known, the days when it became deprecated and when it ends."""

    deprecated: datetime | None = None
    sunset: datetime | None = None

    @property
    def headers(self) -> dict[str, str]:
        headers = {}
        if self.deprecated is not None:
            headers["deprecation"] = f"@{int(self.deprecated.timestamp())}"
        if self.sunset is not None:
            headers["sunset"] = format_datetime(self.sunset, usegmt=True)
        return headers


VERSIONS: Mapping[str, ApiVersion] = {"v1": ApiVersion()}


class Versioning:
    """Rewrite paths without a version, and announce deprecated ones."""

    def __init__(self, app: ASGIApp, versions: Mapping[str, ApiVersion] = VERSIONS) -> None:
        self.app = app
        self.versions = versions
        self._notices = {name: version.headers for name, version in versions.items() if version.headers}

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] not in {"http", "websocket"} or not scope["path"].startswith(PREFIX):
            return self.app(scope, receive, send)
        found = VERSIONED.match(scope["path"])
        name = found[1] if found else Headers(scope=scope).get("x-api-version", DEFAULT)
        if found is None:
            if name in self.versions:
                scope = _with_version(scope, name)
            elif scope["type"] == "http":
                raise UnknownApiVersion(details={"versions": sorted(self.versions)})
            # A handshake has no body that could say so: there is nothing at this path.
        return self.app(scope, receive, _with_notice(send, self._notices[name]) if name in self._notices else send)


def _with_notice(send: Send, extra: Mapping[str, str]) -> Send:
    async def send_with_notice(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(extra)
        await send(message)

    return send_with_notice


def _with_version(scope: Scope, name: str) -> Scope:
    path = f"{PREFIX}{name}/{scope['path'].removeprefix(PREFIX)}"
    return {**scope, "path": path, "raw_path": path.encode()}
