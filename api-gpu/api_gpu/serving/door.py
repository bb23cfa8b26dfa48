"""Where connections come in: from the listening socket, and from the parent, which may have looked at them."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Iterable

from api_gpu.parent.server_process import ALL, SCM_MAX_FD, Report
from api_gpu.serving.connection import Connection

AT_ONCE = 64
PAUSE_SECONDS = 1.0  # after the system had no file left

log = logging.getLogger(__name__)


class Door:
    """Accepts, and can stop accepting without having lost anybody half-way in."""

    def __init__(self, listener: socket.socket, handover: socket.socket | None, new: Callable[[], Connection]) -> None:
        self._listener, self._handover, self._new = listener, handover, new
        self._loop = asyncio.get_running_loop()
        self.has_all = handover is None
        """Whether everybody who had waited has come: who leaves before would lose them."""
        self._entering: set[asyncio.Task[object]] = set()
        listener.setblocking(False)

    def open(self) -> None:
        """Accept whoever comes to the listening socket."""
        if self._listener.fileno() >= 0:
            self._loop.add_reader(self._listener, self._accept)

    async def shut(self) -> None:
        """Leave newcomers in the kernel's queue, and wait for those who have been accepted to be inside."""
        if self._listener.fileno() >= 0:
            self._loop.remove_reader(self._listener)
        while self._entering:
            await asyncio.wait(self._entering)

    def receive_from_parent(self, gone: Callable[[], None]) -> None:
        """Take what the parent hands over, from now on; `gone` is called when there is no parent any more."""
        assert self._handover
        self._handover.setblocking(False)
        self._loop.add_reader(self._handover, self._receive, gone)

    def report(self, report: bytes) -> None:
        """Tell the parent, if there is one."""
        if self._handover:
            with contextlib.suppress(OSError):
                self._handover.send(report)

    def hand_back(self, connections: Iterable[Connection]) -> None:
        """Give connections to the parent, with whatever may have arrived on them unread."""
        assert self._handover
        given = list(connections)
        for start in range(0, len(given), SCM_MAX_FD):
            some = given[start : start + SCM_MAX_FD]
            numbers = [connection.transport.get_extra_info("socket").fileno() for connection in some]
            try:
                socket.send_fds(self._handover, [Report.KEPT], numbers)
            except OSError as error:  # what is not taken is closed with the rest of us
                log.warning("Connections could not be handed back: %s", error)
                return
            for connection in some:
                connection.transport.abort()  # closes our end alone

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            try:
                connection, _address = self._listener.accept()
            except (BlockingIOError, ConnectionError):
                return
            except OSError as error:
                log.warning("Accepting pauses: %s", error.strerror)
                self._loop.remove_reader(self._listener)
                self._loop.call_later(PAUSE_SECONDS, self.open)
                return
            self._enter(connection)

    def _receive(self, gone: Callable[[], None]) -> None:
        assert self._handover
        try:
            message, numbers, _, _ = socket.recv_fds(self._handover, 1, SCM_MAX_FD)
        except BlockingIOError:
            return
        except OSError:
            message, numbers = b"", []
        self.has_all = self.has_all or message == ALL
        if not message:
            self._loop.remove_reader(self._handover)
            gone()
        for number in numbers:
            self._enter(socket.socket(fileno=number))

    def _enter(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        entry = self._loop.create_task(self._loop.connect_accepted_socket(self._new, connection))
        self._entering.add(entry)
        entry.add_done_callback(self._entered)

    def _entered(self, entry: "asyncio.Task[tuple[asyncio.Transport, Connection]]") -> None:
        self._entering.discard(entry)
        if not entry.cancelled() and (error := entry.exception()):
            log.warning("A connection could not be taken in: %s", error)
