"""A connection that the server has not got. Its request is looked at, never taken: the server will read it whole."""

import contextlib
import select
import socket
import time

from api_gpu.parent.heads import LONGEST, Head, read_head

CHUNK = 65_536
HUNG_UP = getattr(select, "POLLRDHUP", select.POLLIN)  # Linux alone tells it from data


class HungUp(Exception):
    """The caller has gone."""


class Caller:
    """Who waits. `head` is there once it is whole; `leaving` is true once an answer has been given.

    Attributes:
        since: the monotonic time at which the connection came to us.
        deadline: the monotonic time until which the head must be whole, or what is left must have been read.
    """

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self.connection = connection
        self.since = time.monotonic()
        self.deadline = deadline
        self.head: Head | None = None
        self.leaving = False
        self._seen = 0
        connection.setblocking(False)

    @property
    def has_begun(self) -> bool:
        """Whether anything of a request has come."""
        return self._seen > 0

    def look(self) -> None:
        """See whether the head is whole by now.

        Raises:
            HungUp: there will be no more of it.
            NotARequest: it is nothing that could be served.
        """
        try:
            data = self.connection.recv(LONGEST, socket.MSG_PEEK)
        except BlockingIOError:
            return
        except OSError:
            raise HungUp from None
        self.head = read_head(data)
        if self.head is None:
            if len(data) <= self._seen and self._has_hung_up():
                raise HungUp
            self._seen = len(data)
            self._wake_beyond(len(data))

    def _has_hung_up(self) -> bool:
        poll = select.poll()
        poll.register(self.connection, HUNG_UP)
        return bool(poll.poll(0))

    def _wake_beyond(self, seen: int) -> None:
        """What was looked at stays readable, and would wake us for ever: only more than that is news."""
        with contextlib.suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, seen + 1)

    def release(self) -> socket.socket:
        """Give the connection away as it was found."""
        self._wake_beyond(0)
        return self.connection

    def dismiss(self, response: bytes, deadline: float) -> None:
        """Answer, and read on until the caller closes: a close over unread bytes would take the answer back."""
        self._wake_beyond(0)
        self.leaving, self.deadline, self.head = True, deadline, None
        with contextlib.suppress(OSError):
            self.connection.send(response)
            self.connection.shutdown(socket.SHUT_WR)

    def discard(self) -> None:
        """Throw away what an answered caller still sends.

        Raises:
            HungUp: that was all.
        """
        try:
            if not self.connection.recv(CHUNK):
                raise HungUp
        except BlockingIOError:
            return
        except OSError:
            raise HungUp from None
