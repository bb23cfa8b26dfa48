"""A model's line, and the batches that run from it: the next one as soon as the device is free, none before."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Protocol

from api_gpu.engine.batching import Line, Ticket
from api_gpu.engine.execution import Outcome, Result
from api_gpu.engine.observer import Batch
from api_gpu.errors import GpuError
from api_gpu.models.pipeline import Item, Limits, Row


class Run(Protocol):
    def __call__(self, items: Sequence[Item], *, shrink: bool = False) -> Outcome: ...


@dataclass(slots=True, eq=False)
class Request:
    """A caller's inputs and what has become of them so far. Times are in seconds."""

    missing: int
    answer: asyncio.Future[list[Row]]
    on_start: Callable[[int], None]  # so many of its inputs wait no longer
    rows: dict[int, Row] = field(default_factory=dict)
    arrived: float = field(default_factory=time.perf_counter)
    waited: float | None = None
    load: float = 0.0
    infer: float = 0.0
    finish: float = 0.0

    def is_wanted(self) -> bool:
        return not self.answer.done()


class Scheduler:
    """Belongs to the event loop; batches run in the executor's threads."""

    def __init__(
        self, run: Run, limits: Limits, executor: Executor, on_batch: Callable[[Batch], None] = lambda _batch: None
    ) -> None:
        self._run = run
        self._limits = limits
        self._executor = executor
        self._on_batch = on_batch
        self._line: Line[Request] = Line(limits, Request.is_wanted)
        self._batches: set[asyncio.Task[None]] = set()

    async def submit(self, items: Sequence[Item], on_start: Callable[[int], None] = lambda _count: None) -> Request:
        """Wait until all the items are done. To cancel is to withdraw those that have not begun.

        Raises:
            GpuError: of the first item that failed.
        """
        loop = asyncio.get_running_loop()
        request = Request(len(items), loop.create_future(), on_start)
        self._line.add([Ticket(item, request, index, request.arrived) for index, item in enumerate(items)])
        loop.call_soon(self._begin)  # not at once: those who come in the same turn of the loop share a batch
        await request.answer
        return request

    @property
    def is_idle(self) -> bool:
        return not self._batches and len(self._line) == 0

    async def drain(self) -> None:
        """Wait for the batches that run."""
        while self._batches:
            await asyncio.wait(self._batches)

    def _begin(self) -> None:
        while len(self._batches) < self._limits.concurrency and (batch := self._line.next_batch()):
            task = asyncio.get_running_loop().create_task(self._run_batch(batch))
            self._batches.add(task)
            task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._batches.discard(task)
        self._begin()

    async def _run_batch(self, batch: Sequence[Ticket[Request]]) -> None:
        began = time.perf_counter()
        for ticket in batch:
            ticket.owner.on_start(1)
        items = [ticket.item for ticket in batch]
        shrink = len(self._line) == 0
        loop = asyncio.get_running_loop()
        try:
            outcome = await loop.run_in_executor(self._executor, lambda: self._run(items, shrink=shrink))
        except Exception as error:  # noqa: BLE001  a mistake of ours: the callers must hear of it, and the line move on
            for ticket in batch:
                _fail(ticket.owner, error)
            return
        self._account(batch, outcome, began)
        for ticket, result in zip(batch, outcome.results, strict=True):
            _deliver(ticket, result)

    def _account(self, batch: Sequence[Ticket[Request]], outcome: Outcome, began: float) -> None:
        times = outcome.times
        for request in {id(ticket.owner): ticket.owner for ticket in batch}.values():
            request.waited = began - request.arrived if request.waited is None else request.waited
            request.load += times.load
            request.infer += times.infer
            request.finish += times.finish
        self._on_batch(
            Batch(
                inputs=len(batch),
                size=len(batch) * max(ticket.item.size for ticket in batch),
                waited=[began - ticket.queued_at for ticket in batch],
                load=times.load,
                infer=times.infer,
                finish=times.finish,
            )
        )


def _deliver(ticket: Ticket[Request], result: Result) -> None:
    request = ticket.owner
    if isinstance(result, GpuError):
        _fail(request, result)
        return
    request.rows[ticket.position] = result
    request.missing -= 1
    if request.is_wanted() and request.missing == 0:
        request.answer.set_result([row for _position, row in sorted(request.rows.items())])


def _fail(request: Request, error: Exception) -> None:
    if request.is_wanted():
        request.answer.set_exception(error)
