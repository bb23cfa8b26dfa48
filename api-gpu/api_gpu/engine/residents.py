"""The models in memory: loaded when they are asked for, once for all who ask, and thrown out to make room."""

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import structlog

from api_gpu.engine.answers import ModelState
from api_gpu.engine.loading import Runnable
from api_gpu.engine.observer import EngineObserver
from api_gpu.engine.repository import MEBIBYTE, ModelFiles, Repository
from api_gpu.engine.scheduler import Scheduler
from api_gpu.errors import GpuError, ModelNotFound, ModelUnavailable
from api_gpu.models.definition import UnusableModel

RETRY_SECONDS = 30.0  # for so long a model that could not be loaded is not tried again, unless somebody says so

Key = tuple[str, str]  # name, version


@dataclass(frozen=True, slots=True, eq=False)
class Resident:
    """A model in memory, and the line before it."""

    runnable: Runnable
    scheduler: Scheduler

    @property
    def memory(self) -> int:
        return self.runnable.files.memory


@dataclass(frozen=True, slots=True)
class Failure:
    reason: str
    at: float


class Residents:
    """Belongs to the event loop; loading happens in the executor's threads."""

    def __init__(
        self,
        repository: Repository,
        load: Callable[[ModelFiles], Runnable],
        schedule: Callable[[Runnable], Scheduler],
        executor: Executor,
        budget: int,
        observer: EngineObserver,
    ) -> None:
        self._repository = repository
        self._load = load
        self._schedule = schedule
        self._executor = executor
        self._budget = budget
        self._observer = observer
        self._ready: OrderedDict[Key, Resident] = OrderedDict()  # the least recently used first
        self._users: Counter[Key] = Counter()
        self._newest: dict[str, str] = {}
        self._loading: dict[Key, asyncio.Task[Resident | GpuError]] = {}
        self._failures: dict[Key, Failure] = {}

    def resolve(self, name: str, version: str | None) -> Key:
        """The version that is meant. Until somebody calls `load`, the newest is the one that was loaded first.

        Raises:
            ModelNotFound, ModelUnavailable
        """
        if version is None and name in self._newest:
            return name, self._newest[name]
        if version is not None and (name, version) in self._ready:
            return name, version
        try:
            if version is None:
                return name, self._repository.newest(name)
        except UnusableModel as error:
            raise _unavailable(name, str(error)) from None
        if version not in self._repository.versions(name):
            raise ModelNotFound(f'There is no version "{version}" of the model "{name}".')
        return name, version

    def peek(self, key: Key) -> Resident | None:
        """A model if it is in memory."""
        return self._ready.get(key)

    @asynccontextmanager
    async def hold(self, key: Key) -> AsyncIterator[Resident]:
        """A model, loaded if need be, which stays in memory meanwhile.

        Raises:
            ModelNotFound, ModelUnavailable
        """
        with self._in_use(key):
            while (resident := self._ready.get(key)) is None:
                await self._bring(key)
            self._ready.move_to_end(key)
            yield resident

    async def load(self, name: str) -> None:
        """Load the newest version, or load it again if its files have changed. If that fails, what was there stays.

        Raises:
            ModelNotFound, ModelUnavailable
        """
        try:
            version = self._repository.newest(name)
        except UnusableModel as error:
            raise _unavailable(name, str(error)) from None
        self._failures.pop((name, version), None)
        with self._in_use((name, version)):
            await self._bring((name, version))
            self._newest[name] = version

    async def unload(self, name: str) -> None:
        """Drop every version of a model, as soon as its work is done.

        Raises:
            ModelNotFound
        """
        self._repository.versions(name)
        for task in [task for key, task in self._loading.items() if key[0] == name]:
            await asyncio.shield(task)
        self._newest.pop(name, None)
        for key in [key for key in self._ready if key[0] == name]:
            del self._ready[key]

    def states(self) -> list[ModelState]:
        """Every version of every model."""
        return [state for name in self._repository.names() for state in self._states(name)]

    async def close(self) -> None:
        """Wait for what has begun."""
        while self._loading:
            await asyncio.wait(self._loading.values())
        for resident in self._ready.values():
            await resident.scheduler.drain()
        self._ready.clear()

    def _states(self, name: str) -> list[ModelState]:
        try:
            versions = self._repository.versions(name)
            resident = [version for other, version in self._ready if other == name and version not in versions]
            if not versions:
                self._repository.newest(name)
        except (ModelNotFound, UnusableModel) as error:
            return [ModelState(name, "", "UNAVAILABLE", str(error))]
        return [self._state((name, version)) for version in (*versions, *resident)]

    def _state(self, key: Key) -> ModelState:
        if key in self._ready:
            return ModelState(*key, "READY")
        if key in self._loading:
            return ModelState(*key, "LOADING")
        failure = self._failures.get(key)
        return ModelState(*key, "UNAVAILABLE", failure.reason if failure else "not loaded")

    async def _bring(self, key: Key) -> None:
        """Have a model loaded; whoever else asks meanwhile waits for the same. A caller who gives up stops nothing."""
        failure = self._failures.get(key)
        if failure is not None and time.monotonic() < failure.at + RETRY_SECONDS:
            raise _unavailable(key[0], failure.reason)
        task = self._loading.get(key)
        if task is None:
            task = self._loading[key] = asyncio.get_running_loop().create_task(self._load_one(key))
            task.add_done_callback(lambda _task: self._loading.pop(key))
        result = await asyncio.shield(task)
        if isinstance(result, GpuError):
            raise type(result)(result.message)

    async def _load_one(self, key: Key) -> Resident | GpuError:
        start = time.perf_counter()
        try:
            resident = await self._load_anew(key)
        except ModelNotFound as error:
            return error
        except Exception as error:  # noqa: BLE001  whatever is wrong with one model is no harm to the others
            reason = str(error) if isinstance(error, UnusableModel) else f"{type(error).__name__}: {error}"
            self._failures[key] = Failure(reason, time.monotonic())
            self._observer.model_failed(key[0], reason)
            structlog.get_logger().warning("model unavailable", model=key[0], version=key[1], reason=reason)
            return _unavailable(key[0], reason)
        if self._ready.get(key) is not resident:
            self._ready[key] = resident
            self._newest.setdefault(*key)
            self._observer.model_loaded(*key, time.perf_counter() - start)
        return resident

    async def _load_anew(self, key: Key) -> Resident:
        loop = asyncio.get_running_loop()
        files = await loop.run_in_executor(self._executor, self._repository.files, *key)
        present = self._ready.get(key)
        if present is not None and present.runnable.files.stamp == files.stamp:
            return present
        if files.memory > self._budget:
            needed, budget = files.memory / MEBIBYTE, self._budget // MEBIBYTE
            raise UnusableModel(f"it takes {needed:,.0f} MB and MEMORY_BUDGET_MB is {budget}")
        self._make_room(files.memory)
        runnable = await loop.run_in_executor(self._executor, self._load, files)
        return Resident(runnable, self._schedule(runnable))

    def _make_room(self, needed: int) -> None:
        """Throw out what was used least recently. A model at work stays, even beyond the budget."""
        excess = sum(resident.memory for resident in self._ready.values()) + needed - self._budget
        for key, resident in list(self._ready.items()):
            if excess <= 0:
                return
            if key not in self._users and resident.scheduler.is_idle:
                del self._ready[key]
                if self._newest.get(key[0]) == key[1]:
                    del self._newest[key[0]]
                excess -= resident.memory
                self._observer.model_evicted(*key)

    @contextmanager
    def _in_use(self, key: Key) -> Iterator[None]:
        """From before it is loaded, so that it is not thrown out before it is used."""
        self._users[key] += 1
        try:
            yield
        finally:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key]
            self._make_room(0)


def _unavailable(name: str, reason: str) -> ModelUnavailable:
    return ModelUnavailable(f'The model "{name}" is unavailable: {reason.rstrip(".")}.')
