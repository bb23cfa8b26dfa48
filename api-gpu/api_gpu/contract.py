"""What the routes ask of an engine. `api_gpu.engine.Engine` is one; a test may bring another."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from service_wire.elements import Array


class Inference(Protocol):
    """What a model made of its inputs.

    Attributes:
        outputs: by name, all of them; the first axis is the batch.
        tokens: how many tokens the inputs had, where the model counts any.
    """

    @property
    def model_name(self) -> str: ...
    @property
    def model_version(self) -> str: ...
    @property
    def outputs(self) -> Mapping[str, Array]: ...
    @property
    def tokens(self) -> int: ...


class TensorMetadata(Protocol):
    """An input or an output: its datatype as the protocol calls it, its shape with -1 for what varies."""

    @property
    def name(self) -> str: ...
    @property
    def datatype(self) -> str: ...
    @property
    def shape(self) -> Sequence[int]: ...


class ModelMetadata(Protocol):
    """What a model takes and gives."""

    @property
    def name(self) -> str: ...
    @property
    def versions(self) -> Sequence[str]: ...
    @property
    def platform(self) -> str: ...
    @property
    def inputs(self) -> Sequence[TensorMetadata]: ...
    @property
    def outputs(self) -> Sequence[TensorMetadata]: ...


class ModelState(Protocol):
    """One version of a model in the repository: READY, LOADING, or UNAVAILABLE for a reason."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def reason(self) -> str: ...


class Engine(Protocol):
    """Runs models. Each method raises the errors of `api_gpu.errors`; `version=None` means the newest."""

    @property
    def in_flight(self) -> int:
        """How much work waits or runs."""
        ...

    @property
    def device_problem(self) -> str | None:
        """Why this machine cannot serve at all, such as DEVICE=cuda without CUDA."""
        ...

    async def infer(
        self, model: str, version: str | None, inputs: Mapping[str, Array], *, deadline: float | None = None
    ) -> Inference:
        """Run a model. `deadline` is the loop's time; to cancel the caller is to withdraw what has not begun."""
        ...

    async def load(self, model: str) -> None: ...
    async def unload(self, model: str) -> None: ...
    async def metadata(self, model: str, version: str | None) -> ModelMetadata: ...
    async def close(self) -> None: ...
    def index(self) -> Sequence[ModelState]: ...
    def config(self, model: str) -> Mapping[str, Any]: ...
    def statistics(self, model: str | None, version: str | None) -> Sequence[Mapping[str, Any]]: ...
    def is_ready(self, model: str, version: str | None) -> bool: ...
