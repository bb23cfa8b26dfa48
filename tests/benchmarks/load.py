"""Load on one HTTP server, from a process of its own: `python -m tests.benchmarks.load < load.json`.

Keep-alive connections, each of which waits for its answer before it asks again. As little as possible is done per
answer, so that the server is what is measured.
"""

import asyncio
import gc
import statistics
import sys
import time
from collections.abc import Iterator
from itertools import chain, cycle, islice
from typing import cast

import psutil  # type: ignore[import-untyped]
import uvloop
from pydantic import BaseModel

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length: "


class Question(BaseModel):
    """A request as it goes over the wire, the status to expect, and whose tasks the answer must hold."""

    request: str
    owner: str
    status: int = 200


class Load(BaseModel):
    """What to ask which server.

    Attributes:
        process: the server's process id, for its CPU time.
        warm_up: so many answers, each of which is looked at, before the window opens.
        seconds: the length of the window.
    """

    port: int
    process: int
    questions: list[Question]
    connections: int
    warm_up: int
    seconds: float


class Outcome(BaseModel):
    """What was answered within the window. CPU times are seconds, latencies milliseconds.

    A median of several has half an answer at times.
    """

    answers: float
    seconds: float
    p50: float
    p99: float
    server_cpu: float
    own_cpu: float

    @property
    def per_second(self) -> float:
        return self.answers / self.seconds

    @property
    def cpu_microseconds(self) -> float:
        """CPU time of the server per request."""
        return self.server_cpu / self.answers * 1e6


class BadAnswerError(Exception):
    """An answer with another status, or with another user's tasks: nothing worth measuring."""


class Window:
    """The time in which answers count. It opens after the warm-up."""

    def __init__(self, load: Load) -> None:
        self._processes = [psutil.Process(load.process), psutil.Process()]
        self._warm_up, self._seconds = load.warm_up, load.seconds
        self._latencies: list[float] = []
        self._opened_at = 0.0
        self._cpu = [0.0, 0.0]
        self.is_open = False
        self.outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def count(self, asked_at: float) -> None:
        now = time.perf_counter()
        if not self.is_open:
            self._warm_up -= 1
            if self._warm_up <= 0:
                self.is_open, self._opened_at, self._cpu = True, now, self._cpu_times()
        elif asked_at > self._opened_at:
            self._latencies.append(now - asked_at)
            is_over = now - self._opened_at > self._seconds and len(self._latencies) > 1
            if is_over and not self.outcome.done():
                self._close(now - self._opened_at)

    def fail(self, error: BadAnswerError) -> None:
        if not self.outcome.done():
            self.outcome.set_exception(error)

    def _close(self, seconds: float) -> None:
        server_cpu, own_cpu = (after - before for before, after in zip(self._cpu, self._cpu_times(), strict=True))
        percentiles = statistics.quantiles(self._latencies, n=100)
        outcome = Outcome(
            answers=len(self._latencies),
            seconds=seconds,
            p50=percentiles[49] * 1e3,
            p99=percentiles[98] * 1e3,
            server_cpu=server_cpu,
            own_cpu=own_cpu,
        )
        self.outcome.set_result(outcome)

    def _cpu_times(self) -> list[float]:
        return [process.cpu_times().user + process.cpu_times().system for process in self._processes]


class Connection(asyncio.Protocol):
    """Asks, waits for the whole answer, asks again."""

    def __init__(self, window: Window, questions: Iterator[tuple[bytes, bytes, bytes]]) -> None:
        self._window = window
        self._questions = questions
        self._answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        self._window.fail(BadAnswerError(f"the connection was closed: {error}"))

    def data_received(self, data: bytes) -> None:
        answer = self._answer = self._answer + data if self._answer else data
        if not _is_whole(answer):
            return
        self._answer = b""
        if not answer.startswith(self._status) or not (self._window.is_open or _is_only_of(self._owner, answer)):
            self._window.fail(BadAnswerError(answer.decode(errors="replace")))
            return
        self._window.count(self._asked_at)
        self._ask()

    def _ask(self) -> None:
        request, self._status, self._owner = next(self._questions)
        self._asked_at = time.perf_counter()
        self._transport.write(request)


def _is_whole(answer: bytes) -> bool:
    end = answer.find(HEAD_END)
    start = answer.find(LENGTH, 0, end) + len(LENGTH)
    return end > 0 and len(answer) >= end + len(HEAD_END) + int(answer[start : answer.index(b"\r", start)])


def _is_only_of(owner: bytes, answer: bytes) -> bool:
    return 0 < answer.count(b'"owner_id":') == answer.count(b'"owner_id":"%b"' % owner)


async def run(load: Load) -> Outcome:
    """Put the load on the server.

    Raises:
        BadAnswerError: at the first answer that is not as expected.
    """
    loop, window = asyncio.get_running_loop(), Window(load)
    questions = [(each.request.encode(), b"HTTP/1.1 %d " % each.status, each.owner.encode()) for each in load.questions]
    loop.set_exception_handler(lambda _loop, context: window.fail(BadAnswerError(str(context))))
    for number in range(load.connections):
        first = number * len(questions) // load.connections
        turn = chain(islice(questions, first, None), cycle(questions))
        await loop.create_connection(lambda turn=turn: Connection(window, turn), "127.0.0.1", load.port)  # type: ignore[misc]
    return await window.outcome


if __name__ == "__main__":
    gc.disable()  # for seconds only, and it would show in the latencies
    print(uvloop.run(run(Load.model_validate_json(sys.stdin.read()))).model_dump_json())
