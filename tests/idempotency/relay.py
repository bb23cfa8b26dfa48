"""A relay in front of a server that counts how often the client speaks and then has to wait: round trips."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

LOOPBACK = "127.0.0.1"


class Relay:
    """Passes on what one connection says; PostgreSQL answers a pipeline only when all of it is there."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.round_trips = 0
        self._client_spoke_last = False

    async def connect(self, near_in: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        far_in, far_out = await asyncio.open_connection(LOOPBACK, self.target)
        with suppress(ConnectionError):
            await asyncio.gather(self._pass_on(near_in, far_out, True), self._pass_on(far_in, near_out, False))

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, from_client: bool) -> None:
        while data := await source.read(65536):
            self.round_trips += from_client and not self._client_spoke_last
            self._client_spoke_last = from_client
            sink.write(data)
        sink.close()


@asynccontextmanager
async def relaying(target: int) -> AsyncIterator[tuple[Relay, int]]:
    """A relay to this port, and its own port."""
    relay = Relay(target)
    server = await asyncio.start_server(relay.connect, LOOPBACK, 0)
    try:
        yield relay, server.sockets[0].getsockname()[1]
    finally:
        server.close()
