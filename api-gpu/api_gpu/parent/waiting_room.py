"""The callers that no server has: accepted, looked at, answered where no server is needed for it, and bounded."""

import contextlib
import resource
import selectors
import socket
import time
from collections.abc import Callable

from api_gpu.parent.caller import Caller, HungUp
from api_gpu.parent.heads import Head, NotARequest, refusal

MOST_WAITING = 1024
AT_ONCE = 64  # connections accepted before anything else gets its turn
GRACE_SECONDS = 1.0  # what everybody gets to say what they want, however full it is
LINGER_SECONDS = 5.0
KEEP_ALIVE_SECONDS = 600.0  # far beyond any client's own, so that it is the client who closes

Reply = Callable[[Head], bytes | None]
"""What a request is answered without the server; None: it waits for the server."""


class WaitingRoom:
    """Watches each caller until its request is whole. Nobody's slowness is anybody else's."""

    def __init__(
        self, listener: socket.socket, selector: selectors.BaseSelector, stall_seconds: float, reply: Reply
    ) -> None:
        self._listener, self._selector, self._stall_seconds, self._reply = listener, selector, stall_seconds, reply
        self._callers: dict[socket.socket, Caller] = {}  # oldest first
        self._most = min(MOST_WAITING, _raise_limit_of_files() // 2)
        self._listens = False

    def __len__(self) -> int:
        return len(self._callers)

    def listen(self, wanted: bool) -> None:
        """Accept connections from now on, or leave them in the kernel's queue, as also while there is no room."""
        wanted = wanted and self._has_room()
        if wanted and not self._listens:
            self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        elif self._listens and not wanted:
            self._selector.unregister(self._listener)
        self._listens = wanted

    def first(self) -> Caller | None:
        """Who has waited longest with a whole request."""
        return next((caller for caller in self._callers.values() if caller.head), None)

    def admit(self, connection: socket.socket, patience: float = KEEP_ALIVE_SECONDS) -> None:
        """Take a connection on whose next request is yet to come."""
        self._callers[connection] = Caller(connection, time.monotonic() + patience)
        self._selector.register(connection, selectors.EVENT_READ, self._look)

    def dismiss(self, caller: Caller, response: bytes) -> None:
        """Answer a caller, who then has a moment to read it."""
        if caller.head:  # while it waited nothing was read of it
            self._selector.register(caller.connection, selectors.EVENT_READ, self._look)
        caller.dismiss(response, time.monotonic() + LINGER_SECONDS)

    def dismiss_waiting(self, response: bytes) -> None:
        """Answer everybody whose request is whole."""
        for caller in [caller for caller in self._callers.values() if caller.head]:
            self.dismiss(caller, response)

    def release(self) -> list[socket.socket]:
        """Give away everybody who has not been answered, however far their requests have come."""
        released = [caller for caller in self._callers.values() if not caller.leaving]
        for caller in released:
            self._forget(caller)
        return [caller.release() for caller in released]

    def sweep(self, now: float) -> None:
        """End what has taken too long: a request that does not become whole, an answer that nobody fetches."""
        late = [caller for caller in self._callers.values() if not caller.head and caller.deadline < now]
        for caller in late:
            if caller.has_begun and not caller.leaving:
                self.dismiss(caller, refusal(408, "the request took too long to arrive"))
            else:
                self._close(caller)

    def close(self) -> None:
        """Let nobody in any more, and nobody stay but those who read their answer."""
        self.listen(wanted=False)
        self._listener.close()
        for caller in [caller for caller in self._callers.values() if not caller.leaving]:
            self._close(caller)

    def clear(self) -> None:
        """Close every connection."""
        for caller in list(self._callers.values()):
            self._close(caller)

    def _accept(self, _listener: socket.socket) -> None:
        for _ in range(AT_ONCE):
            if not self._has_room():
                return
            try:
                connection, _address = self._listener.accept()
            except OSError:  # there is none, or it has gone
                return
            if len(self) >= self._most and (least := self._least_needed()):
                self._close(least)
            self.admit(connection, self._stall_seconds)

    def _look(self, connection: socket.socket) -> None:
        caller = self._callers[connection]
        try:
            if caller.leaving:
                caller.discard()
            else:
                caller.look()
                self._judge(caller)
        except HungUp:
            self._close(caller)
        except NotARequest as error:
            self.dismiss(caller, refusal(error.status, str(error)))

    def _judge(self, caller: Caller) -> None:
        if caller.head is None:
            caller.deadline = min(caller.deadline, time.monotonic() + self._stall_seconds)
            return
        self._selector.unregister(caller.connection)
        response = self._reply(caller.head)
        if response is not None:
            self.dismiss(caller, response)

    def _has_room(self) -> bool:
        return len(self) < self._most or self._least_needed() is not None

    def _least_needed(self) -> Caller | None:
        """Who may have to make room: somebody who has been answered, or else is slow."""
        too_new = time.monotonic() - GRACE_SECONDS
        expendable = (caller for caller in self._callers.values() if not caller.head and caller.since < too_new)
        return min(expendable, key=lambda caller: (not caller.leaving, not caller.has_begun), default=None)

    def _forget(self, caller: Caller) -> None:
        del self._callers[caller.connection]
        with contextlib.suppress(KeyError):
            self._selector.unregister(caller.connection)

    def _close(self, caller: Caller) -> None:
        self._forget(caller)
        caller.connection.close()


def _raise_limit_of_files() -> int:
    """Allow ourselves, and so the server, as many open files as we may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # macOS has a lower limit that it does not tell
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        return hard if hard > 0 else MOST_WAITING * 2
    return soft
