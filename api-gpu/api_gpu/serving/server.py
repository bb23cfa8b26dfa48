"""uvicorn's server with a door of ours, and with an end of its own accord."""

import asyncio
import socket
import time
from typing import cast

import uvicorn

from api_gpu.parent.configuration import ProcessSettings
from api_gpu.parent.server_process import Report
from api_gpu.parent.waiting_room import KEEP_ALIVE_SECONDS
from api_gpu.serving.activity import Activity
from api_gpu.serving.connection import Connection
from api_gpu.serving.door import Door


class Server(uvicorn.Server):
    """Serves until a signal comes, or, where a parent takes over, until nobody has wanted anything for long enough."""

    def __init__(
        self, activity: Activity, settings: ProcessSettings, listener: socket.socket, handover: socket.socket | None
    ) -> None:
        config = uvicorn.Config(
            activity,
            http=Connection,
            loop="asyncio",  # its transports deliver what they have read at once: see `_may_leave`
            ws="none",
            lifespan="on",
            log_config=None,
            log_level="warning",  # the application and the parent say what there is to say
            access_log=False,
            server_header=False,
            timeout_keep_alive=int(KEEP_ALIVE_SECONDS),
            timeout_graceful_shutdown=int(settings.drain_seconds),
        )
        super().__init__(config)
        self._activity, self._settings, self._listener, self._handover = activity, settings, listener, handover

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then let callers in."""
        await super().startup(sockets=[] if sockets is None else sockets)
        self._door = Door(self._listener, self._handover, self._new_connection)
        if self._handover:
            self._door.receive_from_parent(gone=self._stop)
        self._door.open()
        self._door.report(Report.READY)
        self._watching = asyncio.create_task(self._watch())
        self._living = asyncio.create_task(self._live())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let nobody in any more, and give those inside the time to finish."""
        self._watching.cancel()
        await self._door.shut()
        self._listener.close()
        await asyncio.sleep(0.02)  # what had arrived by now becomes a request, which is then finished
        await super().shutdown(sockets)

    def _stop(self) -> None:
        self.should_exit = True

    def _new_connection(self) -> Connection:
        return Connection(self.config, self.server_state, self.lifespan.state, asyncio.get_running_loop())

    @property
    def _connections(self) -> list[Connection]:
        return cast("list[Connection]", list(self.server_state.connections))

    async def _live(self) -> None:
        """Give signs of life until the loop ends, or for as long as it does not stand still."""
        while True:
            self._door.report(Report.ALIVE)
            await asyncio.sleep(min(1.0, self._settings.start_seconds / 8))

    async def _watch(self) -> None:
        step = max(0.005, min(1.0, self._settings.idle_seconds / 4, self._settings.stall_seconds / 4))
        while not self.should_exit:
            await asyncio.sleep(step)
            self._abort_what_stalls(time.monotonic())
            if self._handover and self._door.has_all and self._may_leave():
                await self._leave()

    def _abort_what_stalls(self, now: float) -> None:
        for connection in self._connections:
            if connection.stalled_seconds(now) > self._settings.stall_seconds:
                connection.transport.abort()

    def _may_leave(self) -> bool:
        """Whether there is no work, and no connection of which something has been read or is still to be written.

        The slow are waited for once, not one after the other.
        """
        idle = self._activity.idle_seconds() - self._settings.idle_seconds
        return idle >= self._settings.stall_seconds or (
            idle >= 0 and all(connection.rests for connection in self._connections)
        )

    async def _leave(self) -> None:
        """Give everything back to the parent, unless somebody has come while the door was being shut."""
        await self._door.shut()
        if not self._may_leave():
            self._door.open()
            return
        self._door.hand_back(connection for connection in self._connections if connection.rests)
        self._door.report(Report.LEAVING)
        self.should_exit = True
