"""The server with a tiny application in place of the models, under a parent or alone.

Every start is noted in the file STAND_IN/starts; STAND_IN/trouble names what is to go wrong.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from starlette.types import Message, Receive, Scope, Send

from api_gpu.__main__ import listen
from api_gpu.parent.configuration import ProcessSettings
from api_gpu.parent.server_process import LISTEN_FD
from api_gpu.server import Application, serve_alone, serve_under_parent, token_check
from service_wire.service_token import ServiceTokenVerifier, parse_key

if TYPE_CHECKING:
    from api_gpu.serving.connection import Connection

DIRECTORY = Path(os.environ["STAND_IN"])


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with who it is and how much it was sent.

    ?seconds= takes its time, ?blocks= everybody's, ?bytes= answers at length.
    """
    if scope["type"] == "lifespan":
        for event in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{event}.complete"})
        return
    wanted = {name: values[0] for name, values in parse_qs(scope["query_string"].decode()).items()}
    received, more = 0, True
    while more:
        message: Message = await receive()
        received, more = received + len(message.get("body", b"")), message.get("more_body", False)
    await asyncio.sleep(float(wanted.get("seconds", 0)))
    time.sleep(float(wanted.get("blocks", 0)))  # noqa: ASYNC251 - that is what a server does that hangs
    body = f"{os.getpid()} {received}".encode().ljust(int(wanted.get("bytes", 0)))
    status = 401 if scope["path"] == "/refused" else 200
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def create() -> Application:
    with (DIRECTORY / "starts").open("a", encoding="ascii") as starts:
        starts.write(f"{os.getpid()}\n")
    trouble = (DIRECTORY / "trouble").read_text(encoding="ascii")
    if trouble == "exits":
        sys.exit(3)
    if trouble == "hangs":
        time.sleep(3600)
    if trouble == "slow":
        time.sleep(1)
    if trouble == "leaves children":
        subprocess.run(["sh", "-c", "sleep 0.1 & sleep 0.1 &"], check=True)
    if trouble == "slow to leave":
        _widen_the_exit()
    return Application(app, lambda: 0)


def _widen_the_exit() -> None:
    """Let requests arrive between any two steps of the exit, where otherwise there is hardly time for one."""
    from api_gpu.serving.door import Door  # noqa: PLC0415

    enter, hand_back, report = asyncio.SelectorEventLoop.connect_accepted_socket, Door.hand_back, Door.report

    async def slow_enter(*arguments: Any, **named: Any) -> Any:
        await asyncio.sleep(0.03)
        return await enter(*arguments, **named)

    def slow_hand_back(door: Door, connections: "Iterable[Connection]") -> None:
        time.sleep(0.01)
        hand_back(door, connections)
        time.sleep(0.01)

    def slow_report(door: Door, what: bytes) -> None:
        time.sleep(0.01)
        report(door, what)

    asyncio.SelectorEventLoop.connect_accepted_socket = slow_enter  # type: ignore[method-assign]
    Door.hand_back, Door.report = slow_hand_back, slow_report  # type: ignore[assignment,method-assign]


def main() -> None:
    keys = ServiceTokenVerifier(parse_key(os.environ["SERVICE_TOKEN_KEYS"]))
    if LISTEN_FD in os.environ:
        serve_under_parent(token_check(keys), create)
    else:
        settings = ProcessSettings.read()
        serve_alone(create, listen(settings.host, settings.port), settings)


if __name__ == "__main__":
    main()
