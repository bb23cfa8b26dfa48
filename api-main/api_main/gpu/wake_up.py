"""Wake api-gpu: once, however many wait for it; and leave it alone for a while when it cannot start.

A server that is starting holds the connection and says nothing: that is waiting, not failing. The circuit opens when it
refuses, or when its parent says that it cannot start (503).
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable

import structlog

from api_main.core.stopping import end
from api_main.gpu.errors import GpuUnavailable
from api_main.gpu.metrics import CIRCUIT_OPEN, WAKE_UPS

log = structlog.get_logger()

LONGEST_REST = 30.0


class CannotWake(Exception):
    """It refused, or said that it cannot start.

    Attributes:
        rest: seconds that it asked to be left alone.
    """

    def __init__(self, reason: str, rest: float = 0.0) -> None:
        super().__init__(reason)
        self.rest = rest


class WakeUp:
    """Whether api-gpu is awake, as far as this process can tell."""

    def __init__(self, knock: Callable[[], Awaitable[None]], *, idle_seconds: float) -> None:
        """`knock` returns when api-gpu has answered, and raises `CannotWake`. Idle for so long, it may be asleep."""
        self._knock = knock
        self._stays_awake = idle_seconds * 0.9 if idle_seconds else math.inf
        self._awake_until = -math.inf
        self._closed_from = -math.inf
        self._failures = 0
        self._running: asyncio.Task[None] | None = None

    @property
    def is_awake(self) -> bool:
        """It has answered so recently that it cannot have gone to sleep since, unless it fell."""
        return time.monotonic() < self._awake_until

    @property
    def rest(self) -> float:
        """Seconds until the circuit closes; 0 where it is closed."""
        return max(0.0, self._closed_from - time.monotonic())

    def answered(self) -> None:
        """It has just answered a request."""
        self._awake_until = time.monotonic() + self._stays_awake

    def lost(self) -> None:
        """A connection was refused or broke off: perhaps it sleeps."""
        self._awake_until = -math.inf

    async def wait(self) -> None:
        """Return as soon as it is awake.

        Raises:
            GpuUnavailable: it cannot be woken, now or within the circuit's rest.
        """
        if self.is_awake:
            return
        if self.rest:
            raise GpuUnavailable(retry_after=self.rest)
        if self._running is None:
            self._running = asyncio.create_task(self._wake())
            self._running.add_done_callback(self._forget)
        await asyncio.shield(self._running)

    async def close(self) -> None:
        if self._running is not None:
            await end(self._running)

    async def _wake(self) -> None:
        try:
            await self._knock()
        except CannotWake as failure:
            self._open(failure)
            WAKE_UPS.labels("failed").inc()
            raise GpuUnavailable(retry_after=self.rest) from None
        if self._failures:
            log.info("gpu_circuit_closed")
        self._failures = 0
        CIRCUIT_OPEN.set(0)
        self.answered()
        WAKE_UPS.labels("awake").inc()

    def _open(self, failure: CannotWake) -> None:
        self._failures += 1
        rest = min(LONGEST_REST, max(failure.rest, 2.0 ** (self._failures - 1)))
        self._closed_from = time.monotonic() + rest
        CIRCUIT_OPEN.set(1)
        if self._failures == 1:  # and not again every few seconds until somebody has mended it
            log.warning("gpu_circuit_opened", reason=str(failure), seconds=rest)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._running = None
        if not task.cancelled():
            task.exception()  # whoever waited has it; asyncio need not report it
