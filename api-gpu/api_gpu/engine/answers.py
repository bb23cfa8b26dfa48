"""What the engine answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from api_gpu.models.pipeline import Array, TensorInfo


@dataclass(frozen=True, slots=True)
class Inference:
    """The outputs of a request, by name; the first axis is the batch.

    Attributes:
        tokens: how many tokens its inputs had; 0 where the model counts none.
    """

    model_name: str
    model_version: str
    outputs: Mapping[str, Array]
    tokens: int


@dataclass(frozen=True, slots=True)
class ModelMetadata:
    name: str
    versions: tuple[str, ...]
    platform: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]


@dataclass(frozen=True, slots=True)
class ModelState:
    """One version of a model in the repository."""

    name: str
    version: str
    state: Literal["READY", "UNAVAILABLE", "LOADING"]
    reason: str = ""
