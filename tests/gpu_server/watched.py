"""The real engine, and models that are made in milliseconds. Two more names stand for what cannot be had at will."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from api_gpu.engine import Engine, EngineSettings, Inference
from api_gpu.errors import QueueFull
from api_gpu.observer import PrometheusObserver
from api_gpu.settings import Settings
from service_wire.elements import Array
from tests.gpu_engine.small_models import graph, node, write

SLOW, FULL = "slow", "full"

ARRAYS: dict[str, Array] = {
    "BOOL": np.array([[True, False]]),
    "UINT8": np.array([0, 255], np.uint8),
    "UINT16": np.array([0, 2**16 - 1], np.uint16),
    "UINT32": np.array([0, 2**32 - 1], np.uint32),
    "UINT64": np.array([0, 2**64 - 1], np.uint64),
    "INT8": np.array([-128, 127], np.int8),
    "INT16": np.array([-(2**15), 2**15 - 1], np.int16),
    "INT32": np.array([[-(2**31)], [2**31 - 1]], np.int32),
    "INT64": np.array([-(2**63), 2**63 - 1], np.int64),
    "FP16": np.array([0.5, -1.0], np.float16),
    "FP32": np.array([[0.1, -1e30]], np.float32),
    "FP64": np.array([0.1, 1e300], np.float64),
    "BYTES": np.array([[b"a"], [b""]], np.object_),
}
"""For each datatype there is a model of this name that gives back what it gets, of the rank of this array."""


class Watched(Engine):
    """Knows what it was asked.

    Attributes:
        waiting: requests to "slow", which never answers.
        withdrawn: those that were cancelled while they waited.
        deadlines: what each request had for one.
    """

    def __init__(self, settings: Settings) -> None:
        chosen = EngineSettings(models_dir=settings.models_dir, cache_dir=settings.cache_dir, device="cpu")
        super().__init__(chosen, PrometheusObserver())
        self.waiting = self.withdrawn = 0
        self.deadlines: list[float | None] = []

    async def infer(
        self, model: str, version: str | None, inputs: Mapping[str, Array], *, deadline: float | None = None
    ) -> Inference:
        self.deadlines.append(deadline)
        if model == SLOW:
            await self._wait()
        if model == FULL:
            raise QueueFull("The queue is full.", retry_after=7)
        return await super().infer(model, version, inputs, deadline=deadline)

    async def _wait(self) -> None:
        self.waiting += 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.withdrawn += 1
            raise
        finally:
            self.waiting -= 1


def write_models(models_dir: Path) -> None:
    for datatype, array in ARRAYS.items():
        kind = getattr(TensorProto, {"BYTES": "STRING"}.get(datatype, _onnx_name(datatype)))
        axes = ["batch", *(f"axis_{number}" for number in range(1, array.ndim))]
        write(models_dir, datatype, graph([node("Identity", "x")], shape=axes, kind=kind))
    for version in ("1", "2"):
        write(models_dir, "add-sub", _adding_and_subtracting(), version)
    write(models_dir, "broken", b"oops")


def _onnx_name(datatype: str) -> str:
    return {"FP16": "FLOAT16", "FP32": "FLOAT", "FP64": "DOUBLE"}.get(datatype, datatype)


def _adding_and_subtracting() -> bytes:
    def tensor(name: str) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.INT32, ("batch", 4))

    inputs, outputs = ("INPUT0", "INPUT1"), ("OUTPUT0", "OUTPUT1")
    nodes = [helper.make_node("Add", inputs, outputs[:1]), helper.make_node("Sub", inputs, outputs[1:])]
    made = helper.make_graph(nodes, "add-sub", [tensor(name) for name in inputs], [tensor(name) for name in outputs])
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return bytes(model.SerializeToString())
