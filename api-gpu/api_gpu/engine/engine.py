"""The engine: everything that the protocols ask for."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from api_gpu.engine.answers import Inference, ModelMetadata, ModelState
from api_gpu.engine.configuration import as_triton
from api_gpu.engine.device import choose_device
from api_gpu.engine.gate import Gate, Place
from api_gpu.engine.loading import Environment, Runnable, load
from api_gpu.engine.observer import Batch, EngineObserver
from api_gpu.engine.processors import available_processors
from api_gpu.engine.repository import MEBIBYTE, ModelFiles, Repository
from api_gpu.engine.residents import Key, Resident, Residents
from api_gpu.engine.scheduler import Scheduler
from api_gpu.engine.settings import EngineSettings
from api_gpu.engine.statistics import Statistics
from api_gpu.errors import DeadlineExceeded, InvalidInput, ModelUnavailable
from api_gpu.models.build_cache import BuildCache
from api_gpu.models.built_in import recipes
from api_gpu.models.pipeline import Array, Item

PLATFORM = "onnxruntime_onnx"
MOST_BATCHES = 32  # at a time, of all models
MOST_LOADS = 4


class Engine:
    """Runs models for callers on one event loop.

    Attributes:
        in_flight: requests that wait or are being answered.
        device_problem: why no model can be run at all, if so.
    """

    def __init__(self, settings: EngineSettings, observer: EngineObserver | None = None) -> None:
        self.in_flight = 0
        device = choose_device(settings.device)
        self.device_problem = device.problem
        self._observer = observer or EngineObserver()
        self._environment = Environment(device, settings.threads or available_processors(), settings.token_budget)
        self._gate = Gate(settings.queue_inputs, self._observer)
        self._statistics: dict[Key, Statistics] = {}
        self._preparation = ThreadPoolExecutor(self._environment.threads, "prepare")
        self._batches = ThreadPoolExecutor(MOST_BATCHES, "batch")
        self._loading = ThreadPoolExecutor(MOST_LOADS, "load")
        self._closed = False
        self._repository = Repository(
            settings.models_dir,
            BuildCache(settings.cache_dir),
            recipes(settings.precision if device.kind == "cuda" else "fp32"),
        )
        self._residents = Residents(
            self._repository,
            self._load_files,
            self._schedule,
            self._loading,
            settings.memory_budget_mb * MEBIBYTE,
            self._observer,
        )

    async def infer(
        self, model: str, version: str | None, inputs: Mapping[str, Array], *, deadline: float | None = None
    ) -> Inference:
        """Run a model.

        Args:
            version: None means the newest.
            inputs: by name; the first axis of each is the batch.
            deadline: of the loop's clock. To cancel the caller is to withdraw the inputs that have not begun.

        Raises:
            ModelNotFound, ModelUnavailable, InvalidInput, QueueFull, DeadlineExceeded
        """
        self._refuse_if_closed()
        key = self._residents.resolve(model, version)
        count = _count(inputs)
        with self._at_work(), self._gate.enter(model, count) as place:
            try:
                async with asyncio.timeout_at(deadline):
                    if deadline is not None and deadline <= asyncio.get_running_loop().time():
                        raise TimeoutError
                    return await self._answer(key, inputs, place)
            except TimeoutError:
                self._observer.withdrawn(model, place.waiting, late=True)
                raise DeadlineExceeded("The deadline passed before the answer was there.") from None
            except asyncio.CancelledError:
                self._observer.withdrawn(model, place.waiting, late=False)
                raise

    async def load(self, model: str) -> None:
        """Load the newest version of a model, anew if its files have changed.

        Raises:
            ModelNotFound, ModelUnavailable
        """
        self._refuse_if_closed()
        with self._at_work():
            await self._residents.load(model)

    async def unload(self, model: str) -> None:
        """Free a model's memory. The next request for it loads it again.

        Raises:
            ModelNotFound
        """
        await self._residents.unload(model)

    def index(self) -> list[ModelState]:
        """Every version of every model in the repository."""
        return self._residents.states()

    def is_ready(self, model: str, version: str | None) -> bool:
        """Whether the model is in memory and has answered once.

        Raises:
            ModelNotFound, ModelUnavailable
        """
        return self._residents.peek(self._residents.resolve(model, version)) is not None

    async def metadata(self, model: str, version: str | None) -> ModelMetadata:
        """What a model takes and gives. Loads it if need be.

        Raises:
            ModelNotFound, ModelUnavailable
        """
        self._refuse_if_closed()
        key = self._residents.resolve(model, version)
        with self._at_work():
            async with self._residents.hold(key) as resident:
                pipeline = resident.runnable.pipeline
                versions = tuple(self._repository.versions(model))
                return ModelMetadata(model, versions, PLATFORM, pipeline.inputs, pipeline.outputs)

    def config(self, model: str, version: str | None = None) -> dict[str, Any]:
        """The configuration of a model in memory, in Triton's form.

        Raises:
            ModelNotFound, ModelUnavailable: it is not in memory.
        """
        resident = self._residents.peek(self._residents.resolve(model, version))
        if resident is None:
            raise ModelUnavailable(f'The model "{model}" is not loaded.')
        return as_triton(resident.runnable, PLATFORM)

    def statistics(self, model: str | None, version: str | None) -> list[dict[str, Any]]:
        """Counts and times in Triton's form: of all models that were ever loaded, of one, or of one version of it.

        Raises:
            ModelNotFound, ModelUnavailable
        """
        if model is not None:
            self._residents.resolve(model, version)
        return [
            statistics.as_triton()
            for (name, number), statistics in sorted(self._statistics.items())
            if model in {None, name} and version in {None, number}
        ]

    async def close(self) -> None:
        """Finish what was begun, and take nothing more."""
        self._closed = True
        await self._residents.close()
        for executor in (self._preparation, self._batches, self._loading):
            await asyncio.to_thread(executor.shutdown)

    async def _answer(self, key: Key, inputs: Mapping[str, Array], place: Place) -> Inference:
        start = time.perf_counter()
        async with self._residents.hold(key) as resident:
            statistics = self._statistics[key]
            try:
                items = await self._prepare(key, resident, inputs)
                request = await resident.scheduler.submit(items, partial(self._gate.start, key[0], place))
            except Exception:
                statistics.fail(time.perf_counter() - start)
                raise
            pipeline = resident.runnable.pipeline
            outputs = pipeline.join(request.answer.result())
            statistics.succeed(request, len(items), time.perf_counter() - start)
            tokens = sum(item.size for item in items) if pipeline.counts_tokens else 0
            return Inference(*key, outputs, tokens)

    async def _prepare(self, key: Key, resident: Resident, inputs: Mapping[str, Array]) -> list[Item]:
        start = time.perf_counter()
        loop = asyncio.get_running_loop()
        items = await loop.run_in_executor(self._preparation, resident.runnable.pipeline.split, inputs)
        self._observer.prepared(key[0], len(items), time.perf_counter() - start)
        return items

    def _load_files(self, files: ModelFiles) -> Runnable:
        return load(files, self._environment)

    def _schedule(self, runnable: Runnable) -> Scheduler:
        key = runnable.files.name, runnable.files.version
        statistics = self._statistics.setdefault(key, Statistics(*key))

        def account(batch: Batch) -> None:
            statistics.execute(batch)
            self._gate.measure(key[0], batch.inputs, batch.load + batch.infer + batch.finish)
            self._observer.batch_finished(key[0], batch)

        return Scheduler(runnable.execution.run, runnable.pipeline.limits, self._batches, account)

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1

    def _refuse_if_closed(self) -> None:
        if self.device_problem is not None:
            raise ModelUnavailable(self.device_problem)
        if self._closed:
            raise ModelUnavailable("The server is shutting down.")


def _count(inputs: Mapping[str, Array]) -> int:
    """The batch's size: the first axis that all inputs share."""
    counts = {len(array) if np.ndim(array) else 0 for array in inputs.values()}
    if len(counts) != 1 or 0 in counts:
        raise InvalidInput("All inputs need the same first axis, the batch, of at least 1.")
    return counts.pop()
