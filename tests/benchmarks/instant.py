"""A server that answers at once, to see how much the load generator itself can take: `python -m …instant PORT`."""

import asyncio
import sys
from typing import cast

import uvloop

BODY = b'{"data":[%b]}' % b",".join(
    [b'{"owner_id":"00000000-0000-4000-8000-000000000000","title":"%b"}' % (b"x" * 200)] * 10
)
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)


class Instant(asyncio.Protocol):
    """Takes each piece of data for one request, which holds for clients that wait for their answer."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, _data: bytes) -> None:
        self._transport.write(ANSWER)


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Instant, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
