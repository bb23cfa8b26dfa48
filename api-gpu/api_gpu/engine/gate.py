"""How many inputs may wait for each model. Whoever comes later is told when to come again."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from api_gpu.engine.observer import EngineObserver
from api_gpu.errors import InvalidInput, QueueFull

LONGEST_RETRY = 30  # seconds
FIRST_GUESS = 0.01  # seconds for an input, while nothing has been measured
INERTIA = 0.9  # of the running mean


@dataclass(slots=True)
class Place:
    """A request's inputs in the queue of a model."""

    waiting: int


class Gate:
    """Counts inputs from their arrival until their batch begins: while their model is loaded, too."""

    def __init__(self, bound: int, observer: EngineObserver) -> None:
        self._bound = bound
        self._observer = observer
        self._waiting: dict[str, int] = {}
        self._pace: dict[str, float] = {}

    @contextmanager
    def enter(self, model: str, inputs: int) -> Iterator[Place]:
        """Take up a place for so many inputs.

        Raises:
            QueueFull, InvalidInput: no queue would ever be long enough.
        """
        if inputs > self._bound:
            raise InvalidInput(f"{inputs:,} inputs in one request are too many; at most {self._bound:,} may wait.")
        if self._waiting.get(model, 0) + inputs > self._bound:
            self._observer.refused(model, inputs)
            raise QueueFull(f'{self._waiting[model]:,} inputs wait for "{model}" already.', self._retry_after(model))
        place = Place(inputs)
        self._change(model, inputs)
        try:
            yield place
        finally:
            self.start(model, place, place.waiting)

    def start(self, model: str, place: Place, inputs: int) -> None:
        """So many of the inputs wait no longer."""
        place.waiting -= inputs
        self._change(model, -inputs)

    def measure(self, model: str, inputs: int, seconds: float) -> None:
        """A batch of so many inputs took so long."""
        pace = seconds / inputs
        self._pace[model] = INERTIA * self._pace.get(model, pace) + (1 - INERTIA) * pace

    def _retry_after(self, model: str) -> int:
        """Until half of what waits is done."""
        seconds = self._waiting[model] / 2 * self._pace.get(model, FIRST_GUESS)
        return min(LONGEST_RETRY, max(1, math.ceil(seconds)))

    def _change(self, model: str, inputs: int) -> None:
        if inputs == 0:
            return
        waiting = self._waiting.pop(model, 0) + inputs
        if waiting:
            self._waiting[model] = waiting
        self._observer.queue_changed(model, waiting)
