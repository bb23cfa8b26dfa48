"""Scale to zero on one machine: wait with next to nothing in memory, and start the server once somebody may ask."""

import contextlib
import math
import os
import selectors
import signal
import socket
import time

from api_gpu.parent.caller import Caller
from api_gpu.parent.configuration import ProcessSettings
from api_gpu.parent.heads import HEALTHY, METRICS, Head, answer, refusal
from api_gpu.parent.log import Log
from api_gpu.parent.server_process import COMMAND, IDLE_EXITS, WAKE_UPS, Report, ServerProcess, State
from api_gpu.parent.waiting_room import WaitingRoom

TICK_SECONDS = 0.25
LEAVING_SECONDS = 15.0
FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS = 1.0, 30.0
UNAUTHORIZED = refusal(401, "a service token that is good for this request is required", "WWW-Authenticate: Bearer")


class WakeUp:
    """The parent: in one thread, and never waiting for a single caller."""

    def __init__(self, listener: socket.socket, settings: ProcessSettings, command: tuple[str, ...] = COMMAND) -> None:
        listener.setblocking(False)
        self._listener, self._settings, self._command = listener, settings, command
        self._log = Log(settings.log_format)
        self._selector = selectors.DefaultSelector()
        self._room = WaitingRoom(listener, self._selector, settings.stall_seconds, self._reply)
        self._server: ServerProcess | None = None
        self._asks_for: Caller | None = None
        self._failures, self._not_before = 0, 0.0
        self._wake_ups = self._idle_exits = 0
        self._stop_by: float | None = None

    def run(self) -> int:
        """Work until SIGTERM or SIGINT, and until the server has finished; return the exit code."""
        self._watch_signals()
        self._log("asleep", port=self._listener.getsockname()[1])
        while self._stop_by is None or self._server or len(self._room):
            self._room.listen(wanted=self._stop_by is None and not self._serves())
            for key, _ in self._selector.select(self._patience()):
                if self._selector.get_map().get(key.fd) is key:  # an earlier event may have closed it
                    key.data(key.fileobj)
            self._end_what_is_late(time.monotonic())
            self._wake()
        return 0

    def _patience(self) -> float | None:
        """Whether anything has a deadline; without, nothing but an event makes us move."""
        due = len(self._room) or self._stop_by or (self._server and self._server.deadline)
        return TICK_SECONDS if due else None

    def _serves(self) -> bool:
        return self._server is not None and self._server.state is State.SERVING

    def _reply(self, head: Head) -> bytes | None:
        """What is said without the server. While one cannot start, nobody waits for it."""
        if head.path in HEALTHY:
            return answer(200, {"live" if head.path.endswith("live") else "ready": True})
        if head.path == METRICS:
            return answer(200, self._metrics())
        if not head.token:
            return UNAUTHORIZED
        return self._unavailable() if time.monotonic() < self._not_before else None

    def _unavailable(self) -> bytes:
        seconds = max(1, math.ceil(self._not_before - time.monotonic()))
        return refusal(503, "the server is not available", f"Retry-After: {seconds}")

    def _metrics(self) -> str:
        counts = {"api_gpu_wake_ups_total": self._wake_ups, "api_gpu_idle_exits_total": self._idle_exits}
        return "".join(f"# TYPE {name} counter\n{name} {count}.0\n" for name, count in counts.items())

    # The server

    def _wake(self) -> None:
        """Have the first caller's token checked, by a child that becomes the server if the token is good."""
        first = self._room.first()
        if first is None or first.head is None or self._stop_by is not None:
            return
        if self._server is None:
            self._server = self._start()
        if self._server and self._server.state is State.CHECKING and self._asks_for is None:
            self._asks_for = first
            self._server.deadline = time.monotonic() + self._settings.start_seconds
            self._server.ask(first.head)

    def _start(self) -> ServerProcess | None:
        counts = {WAKE_UPS: str(self._wake_ups + 1), IDLE_EXITS: str(self._idle_exits)}
        try:
            server = ServerProcess(self._listener, self._command, {**os.environ, **counts})
        except OSError as error:  # no process, no memory, no file left
            self._back_off(reason=error.strerror)
            return None
        self._selector.register(server.socket, selectors.EVENT_READ, self._on_reports)
        return server

    def _back_off(self, **why: object) -> None:
        """Tell everybody that there is no server, and try none for a while."""
        self._failures += 1
        seconds = min(LONGEST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2 ** (self._failures - 1))
        self._not_before = time.monotonic() + seconds
        self._room.dismiss_waiting(self._unavailable())
        self._log("could_not_start", level="error", **why, retry_after=seconds)

    def _on_reports(self, channel: socket.socket) -> None:
        assert self._server
        for report, connections in self._server.reports():
            if not report:
                self._selector.unregister(channel)
                self._server.deadline = time.monotonic() + LEAVING_SECONDS
            self._take_note(self._server, report, connections)

    def _take_note(self, server: ServerProcess, report: bytes, connections: list[socket.socket]) -> None:
        if report == Report.REFUSED and self._asks_for:
            self._room.dismiss(self._asks_for, UNAUTHORIZED)
            self._asks_for, server.deadline = None, None
        elif report == Report.ADMITTED:
            self._wake_ups += 1
            self._asks_for, server.state = None, State.STARTING
            self._log("waking_up", pid=server.pid)
        elif report == Report.READY:
            server.state, self._failures = State.SERVING, 0
            self._expect_a_sign_of_life(server)
            self._hand_over(server)
            self._log("awake", pid=server.pid)
        elif report == Report.ALIVE and server.state is State.SERVING:
            self._expect_a_sign_of_life(server)
        elif report == Report.LEAVING:
            server.state, server.deadline = State.LEAVING, time.monotonic() + LEAVING_SECONDS
            self._idle_exits += 1
        for connection in connections:
            self._room.admit(connection)
        if self._stop_by is not None:
            self._room.close()

    def _expect_a_sign_of_life(self, server: ServerProcess) -> None:
        """A server whose event loop stands still would keep its callers, and everybody else's way in, for ever."""
        server.deadline = time.monotonic() + self._settings.start_seconds

    def _hand_over(self, server: ServerProcess) -> None:
        released = self._room.release()
        server.hand_over(released)
        for connection in released:
            connection.close()

    def _on_exit(self, server: ServerProcess, code: int) -> None:
        """Whatever it was doing: from here on new callers are ours."""
        with contextlib.suppress(KeyError):
            self._selector.unregister(server.socket)
        for report, connections in server.reports():
            self._take_note(server, report, connections)
        server.socket.close()
        self._server = self._asks_for = None
        if server.state is State.STARTING or (server.state is State.CHECKING and code != 0):
            self._back_off(exit_code=code)
        elif server.state is not State.CHECKING:
            asleep = server.state is State.LEAVING or self._stop_by is not None
            event, level = ("asleep", "info") if asleep else ("died", "error")
            self._log(event, level=level, pid=server.pid, exit_code=code)

    def _end_what_is_late(self, now: float) -> None:
        self._room.sweep(now)
        server, stops = self._server, self._stop_by is not None and now > self._stop_by
        if server and server.deadline is not None and now > server.deadline:
            self._log("hangs", level="error", pid=server.pid, state=server.state.value)
            server.deadline = None
            server.signal(signal.SIGKILL)
        if stops:
            self._room.clear()
            if server:
                server.signal(signal.SIGKILL)

    # Signals

    def _watch_signals(self) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        signal.set_wakeup_fd(theirs.detach())
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, lambda _number, _frame: None)
        self._selector.register(ours, selectors.EVENT_READ, self._on_signals)

    def _on_signals(self, signals: socket.socket) -> None:
        if {signal.SIGTERM, signal.SIGINT} & set(signals.recv(4096)) and self._stop_by is None:
            self._stop()
        self._reap()

    def _stop(self) -> None:
        """Whoever waits may ask elsewhere; what the server has, it finishes."""
        self._log("stopping")
        self._stop_by = time.monotonic() + self._settings.drain_seconds
        self._room.dismiss_waiting(self._unavailable())
        self._room.close()
        if self._server:
            self._server.signal(signal.SIGTERM)

    def _reap(self) -> None:
        """Take note of every child that has ended. As process 1 we have some that we never started."""
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if self._server and self._server.pid == ended[0]:
                    self._on_exit(self._server, os.waitstatus_to_exitcode(ended[1]))
