"""A WebSocket as a program uses it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.patience import PATIENCE
from tests.people import Person

Json = dict[str, Any]


class Socket:
    """Messages in both directions."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, kind: str, **values: Any) -> None:
        await self.connection.send(json.dumps({"type": kind, **values}))

    async def next(self) -> Json:
        async with asyncio.timeout(PATIENCE):
            message: Json = json.loads(await self.connection.recv())
            return message

    async def ask(self, kind: str, **values: Any) -> Json:
        """Send a message; what comes next."""
        await self.send(kind, **values)
        return await self.next()

    async def subscribe(self, channel: str, **values: Any) -> Json:
        answer = await self.ask("subscribe", channel=channel, **values)
        assert (answer["type"], answer["channel"]) == ("subscribed", channel), answer
        return answer

    async def end(self) -> tuple[int, list[Json]]:
        """The code with which it is closed, and what was said before."""
        said: list[Json] = []
        with suppress(ConnectionClosed):
            while True:
                said += [await self.next()]
        return self.connection.close_code or 0, said


@asynccontextmanager
async def open_socket(address: str, path: str = "/api/v1/ws", **options: Any) -> AsyncIterator[Socket]:
    """A connection that has said nothing yet."""
    url = f"{address.replace('http', 'ws', 1)}{path}"
    async with connect(url, open_timeout=PATIENCE, **options) as connection:
        yield Socket(connection)


@asynccontextmanager
async def socket_of(address: str, person: Person, **options: Any) -> AsyncIterator[Socket]:
    """A connection of somebody who has shown their token."""
    async with open_socket(address, **options) as socket:
        answer = await socket.ask("authenticate", token=person.token)
        assert (answer["type"], answer["subject"]) == ("authenticated", str(person.id)), answer
        yield socket
