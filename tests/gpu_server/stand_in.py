"""An engine of a few models in NumPy: the protocols are tested on it, and the real one in tests/gpu_engine."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import numpy as np

from api_gpu.errors import InvalidInput, ModelNotFound, ModelUnavailable, QueueFull
from service_wire.elements import Array

Outputs = dict[str, Array]
WIDTH = 8


@dataclass(frozen=True)
class Answer:
    model_name: str
    model_version: str
    outputs: Outputs
    tokens: int = 0


@dataclass(frozen=True)
class Described:
    name: str
    datatype: str
    shape: Sequence[int]


@dataclass(frozen=True)
class Model:
    """What a model takes, gives and does; `loaded` changes."""

    name: str
    inputs: Sequence[Described]
    outputs: Sequence[Described]
    run: Callable[[Mapping[str, Array]], Outputs]
    versions: Sequence[str] = ("1",)
    platform: str = "onnxruntime_onnx"


@dataclass(frozen=True)
class State:
    name: str
    version: str
    state: str
    reason: str = ""


def embed(inputs: Mapping[str, Array]) -> Outputs:
    vectors = np.array([np.frombuffer(sha256(text).digest(), np.uint32) for text in inputs["text"]], np.float64)
    return {"embedding": (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)}


def add_and_subtract(inputs: Mapping[str, Array]) -> Outputs:
    return {"OUTPUT0": inputs["INPUT0"] + inputs["INPUT1"], "OUTPUT1": inputs["INPUT0"] - inputs["INPUT1"]}


def nothing(_inputs: Mapping[str, Array]) -> Outputs:
    return {}


PAIR = [Described("INPUT0", "INT32", [-1, 4]), Described("INPUT1", "INT32", [-1, 4])]
SUMS = [Described("OUTPUT0", "INT32", [-1, 4]), Described("OUTPUT1", "INT32", [-1, 4])]
MODELS = [
    Model("text-embedding", [Described("text", "BYTES", [-1])], [Described("embedding", "FP32", [-1, WIDTH])], embed),
    Model("add-sub", PAIR, SUMS, add_and_subtract, versions=("1", "2")),
    Model("identity", [], [], dict),
    Model("slow", [], [], nothing),
    Model("full", [], [], nothing),
    Model("broken", [], [], nothing),
]


@dataclass
class StandIn:
    """Follows `api_gpu.contract.Engine`.

    Attributes:
        waiting: requests to "slow", which never answers.
        withdrawn: those that were cancelled while they waited.
        deadlines: what each request had for one.
    """

    device_problem: str | None = None
    in_flight: int = 0
    waiting: int = 0
    withdrawn: int = 0
    deadlines: list[float | None] = field(default_factory=list)
    loaded: set[str] = field(default_factory=set)
    closed: bool = False

    async def infer(
        self, model: str, version: str | None, inputs: Mapping[str, Array], *, deadline: float | None = None
    ) -> Answer:
        found, chosen = self._find(model, version)
        self.deadlines.append(deadline)
        await self.load(model)
        if model == "slow":
            await self._wait()
        if model == "full":
            raise QueueFull("The queue of the model 'full' is full.", retry_after=7)
        try:
            outputs = found.run(inputs)
        except (KeyError, ValueError) as error:
            raise InvalidInput(f"The model '{model}' cannot take this: {error}") from None
        tokens = sum(len(text.split()) for text in inputs.get("text", ()))
        return Answer(model, chosen, outputs, tokens)

    async def _wait(self) -> None:
        self.waiting += 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.withdrawn += 1
            raise
        finally:
            self.waiting -= 1

    async def load(self, model: str) -> None:
        self._find(model, None)
        if model == "broken":
            raise ModelUnavailable("The model 'broken' cannot be loaded: its graph is damaged.")
        self.loaded.add(model)

    async def unload(self, model: str) -> None:
        self._find(model, None)
        self.loaded.discard(model)

    async def metadata(self, model: str, version: str | None) -> Model:
        return self._find(model, version)[0]

    async def close(self) -> None:
        self.closed = True

    def index(self) -> list[State]:
        return [
            State(model.name, version, "READY")
            if model.name in self.loaded
            else State(model.name, version, "UNAVAILABLE", "unloaded")
            for model in MODELS
            for version in model.versions
        ]

    def config(self, model: str) -> dict[str, Any]:
        return {"name": self._find(model, None)[0].name, "platform": "onnxruntime_onnx", "max_batch_size": 0}

    def statistics(self, model: str | None, version: str | None) -> list[dict[str, Any]]:
        names = [entry.name for entry in MODELS] if model is None else [self._find(model, version)[0].name]
        return [{"name": name, "version": version or "1", "inference_count": 0} for name in names]

    def is_ready(self, model: str, version: str | None) -> bool:
        self._find(model, None)
        return model in self.loaded and any(
            model == state.name and version in {None, state.version} for state in self.index()
        )

    def _find(self, name: str, version: str | None) -> tuple[Model, str]:
        for model in MODELS:
            if model.name == name and version in {None, *model.versions}:
                return model, version or model.versions[-1]
        raise ModelNotFound(f"There is no model '{name}'" + (f" of version '{version}'" if version else ""))
