"""One batch from its items to their results, in a worker thread. What is wrong with one item is its own affair."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from api_gpu.engine.session import RunFailed, Session
from api_gpu.errors import GpuError, InvalidInput, ModelUnavailable
from api_gpu.models.pipeline import Item, Pipeline, Row

Result = Row | GpuError


@dataclass(slots=True)
class Times:
    """Seconds that a batch took: before, in and after the graph."""

    load: float = 0.0
    infer: float = 0.0
    finish: float = 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    results: list[Result]
    times: Times


class Execution:
    """A pipeline around a session."""

    def __init__(self, session: Session, pipeline: Pipeline) -> None:
        self._session = session
        self._pipeline = pipeline

    def run(self, items: Sequence[Item], *, shrink: bool = False) -> Outcome:
        """A row, or what was wrong, for each item. Blocks: for worker threads."""
        times = Times()
        start = time.perf_counter()
        loaded = [self._load(item) for item in items]
        times.load += time.perf_counter() - start
        good = [index for index, content in enumerate(loaded) if not isinstance(content, GpuError)]
        results: list[Any] = list(loaded)  # the errors stay where they are
        if good:
            rows = self._infer([items[index] for index in good], [loaded[index] for index in good], times, shrink)
            del loaded
            start = time.perf_counter()
            for index, row in zip(good, rows, strict=True):
                results[index] = row if isinstance(row, GpuError) else self._finish(items[index], row)
            times.finish += time.perf_counter() - start
        return Outcome(results, times)

    def _load(self, item: Item) -> Any:
        try:
            return self._pipeline.load(item)
        except GpuError as error:
            return error

    def _finish(self, item: Item, row: Row) -> Result:
        try:
            return self._pipeline.finish(item, row)
        except GpuError as error:
            return error

    def _infer(self, items: Sequence[Item], loaded: Sequence[Any], times: Times, shrink: bool) -> list[Result]:
        """A batch that fails is halved until those are found that fail alone."""
        try:
            return self._run_graph(items, loaded, times, shrink)
        except RunFailed as failure:
            if len(items) == 1:
                return [_explained(failure)]
        half = len(items) // 2
        return [
            *self._infer(items[:half], loaded[:half], times, shrink),
            *self._infer(items[half:], loaded[half:], times, shrink),
        ]

    def _run_graph(self, items: Sequence[Item], loaded: Sequence[Any], times: Times, shrink: bool) -> list[Result]:
        start = time.perf_counter()
        feeds = self._pipeline.stack(items, loaded)
        stacked = time.perf_counter()
        times.load += stacked - start
        try:
            outputs = self._session.run(feeds, shrink=shrink)
        finally:
            times.infer += time.perf_counter() - stacked
        try:
            return list(self._pipeline.unstack(outputs, len(items)))
        except GpuError as error:
            return [error] * len(items)


def _explained(failure: RunFailed) -> GpuError:
    if failure.out_of_memory:
        return ModelUnavailable(f"There is not enough memory for this input: {failure}")
    return InvalidInput(f"The model cannot process this input: {failure}")
