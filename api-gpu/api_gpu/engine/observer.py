"""What an engine tells about its work, for metrics. Every method is called on the event loop."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch that has run. Times are in seconds.

    Attributes:
        size: tokens (or pixels, or inputs), padding included.
        waited: for each of its inputs, from when it was ready until the batch began.
        load, infer, finish: decoding and padding; the graph; cutting up and encoding.
    """

    inputs: int
    size: int
    waited: Sequence[float]
    load: float
    infer: float
    finish: float


class EngineObserver:
    """Does nothing; a subclass picks what it wants to know."""

    def queue_changed(self, model: str, inputs: int) -> None:
        """So many inputs of the model wait now."""

    def refused(self, model: str, inputs: int) -> None:
        """The queue was full."""

    def withdrawn(self, model: str, inputs: int, *, late: bool) -> None:
        """Inputs were not worked on: their deadline had passed (late), or their caller had gone."""

    def prepared(self, model: str, inputs: int, seconds: float) -> None:
        """A request was tokenized, or its headers read."""

    def batch_finished(self, model: str, batch: Batch) -> None:
        """A batch has run."""

    def model_loaded(self, model: str, version: str, seconds: float) -> None:
        """A model is warmed up and ready."""

    def model_failed(self, model: str, reason: str) -> None:
        """A model cannot be loaded."""

    def model_evicted(self, model: str, version: str) -> None:
        """A model had to make room for others."""
