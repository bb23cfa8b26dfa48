"""What the engine tells about itself, in Triton's form and to its observer."""

import time
from pathlib import Path

import numpy as np
import pytest

from api_gpu.engine import Engine, EngineObserver
from api_gpu.engine.observer import Batch
from api_gpu.errors import InvalidInput, ModelUnavailable
from tests.gpu_engine.asking import ask, column
from tests.gpu_engine.conftest import OpenEngine
from tests.gpu_engine.small_models import looking_up, write

COMPUTED = ("compute_input", "compute_infer", "compute_output")


class Watch(EngineObserver):
    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.prepared_inputs = 0

    def batch_finished(self, model: str, batch: Batch) -> None:  # noqa: ARG002
        self.batches.append(batch)

    def prepared(self, model: str, inputs: int, seconds: float) -> None:  # noqa: ARG002
        assert seconds > 0
        self.prepared_inputs += inputs


@pytest.fixture
async def table(open_engine: OpenEngine, models_dir: Path) -> Engine:
    write(models_dir, "table", looking_up(5), "3", definition={"max_batch": 2})
    return await open_engine()


async def test_requests_and_batches_are_counted(table: Engine) -> None:
    await ask(table, "table", np.array([1, 2, 3]))
    await ask(table, "table", np.array([4]))
    with pytest.raises(InvalidInput):
        await ask(table, "table", np.array([99]))
    (entry,) = table.statistics("table", None)
    assert (entry["name"], entry["version"]) == ("table", "3")
    assert (entry["inference_count"], entry["execution_count"]) == (4, 4)
    assert abs(entry["last_inference"] - time.time() * 1000) < 60_000
    durations = entry["inference_stats"]
    assert {kind: durations[kind]["count"] for kind in ("success", "fail", "queue", *COMPUTED)} == {
        "success": 2, "fail": 1, "queue": 2, "compute_input": 2, "compute_infer": 2, "compute_output": 2,
    }  # fmt: skip
    parts = sum(durations[kind]["ns"] for kind in ("queue", *COMPUTED))
    assert 0 < parts <= durations["success"]["ns"]
    assert [(batch["batch_size"], batch["compute_infer"]["count"]) for batch in entry["batch_stats"]] == [
        (1, 3),
        (2, 1),
    ]


async def test_statistics_are_of_all_models_or_of_one(open_engine: OpenEngine, models_dir: Path) -> None:
    for name in "ab":
        write(models_dir, name, looking_up(5), "1")
    write(models_dir, "a", looking_up(5), "2")
    engine = await open_engine()
    assert engine.statistics("a", None) == []
    for name, version in (("a", "1"), ("a", "2"), ("b", "1")):
        await ask(engine, name, np.array([0]), version)

    def asked(model: str | None, version: str | None) -> list[str]:
        return [f"{entry['name']}{entry['version']}" for entry in engine.statistics(model, version)]

    assert asked(None, None) == ["a1", "a2", "b1"]
    assert asked("a", None) == ["a1", "a2"]
    assert asked("a", "2") == ["a2"]
    await engine.unload("a")
    assert asked("a", None) == ["a1", "a2"]  # what has happened has happened


async def test_the_configuration_is_tritons(table: Engine) -> None:
    with pytest.raises(ModelUnavailable, match="not loaded"):
        table.config("table")
    await table.load("table")
    config = table.config("table")
    assert (config["name"], config["platform"], config["backend"]) == ("table", "onnxruntime_onnx", "onnxruntime")
    assert config["max_batch_size"] == 2
    assert config["input"] == [{"name": "x", "data_type": "TYPE_INT64", "dims": [1]}]
    assert config["output"] == [{"name": "y", "data_type": "TYPE_INT64", "dims": [1]}]


async def test_batches_are_observed(open_engine: OpenEngine) -> None:
    watch = Watch()
    engine = await open_engine(watch)
    answer = await engine.infer("text-embedding", None, {"text": column(["one two", "three four five", "six"])})
    (batch,) = watch.batches
    longest = 5
    assert (batch.inputs, batch.size, watch.prepared_inputs) == (3, 3 * longest, 3)
    assert answer.tokens == 4 + 5 + 3
    assert len(batch.waited) == 3
    assert batch.infer > 0
