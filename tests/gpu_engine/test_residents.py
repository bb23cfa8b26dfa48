"""Models come into memory when they are asked for, once, and leave it when others need the room."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from api_gpu.engine import Engine, EngineObserver
from api_gpu.errors import ModelUnavailable
from tests.gpu_engine.asking import ask, embed, hold_up
from tests.gpu_engine.conftest import OpenEngine
from tests.gpu_engine.small_models import adding, write
from tests.patience import eventually

X = np.zeros((1, 2), np.float32)


class Watch(EngineObserver):
    def __init__(self) -> None:
        self.events: list[str] = []

    def model_loaded(self, model: str, version: str, seconds: float) -> None:  # noqa: ARG002
        self.events.append(f"loaded {model} {version}")

    def model_failed(self, model: str, reason: str) -> None:  # noqa: ARG002
        self.events.append(f"failed {model}")

    def model_evicted(self, model: str, version: str) -> None:
        self.events.append(f"evicted {model} {version}")


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def abc(models_dir: Path) -> None:
    """Three models of which two fit into 10 MB, as their definitions claim."""
    for number, name in enumerate("abc"):
        write(models_dir, name, adding(number), definition={"memory_mb": 4})


def in_memory(engine: Engine) -> set[str]:
    return {state.name for state in engine.index() if state.state == "READY"}


async def test_fifty_who_ask_at_once_load_once(open_engine: OpenEngine, watch: Watch) -> None:
    engine = await open_engine(watch)
    vectors = await asyncio.gather(*(embed(engine, f"text {number}") for number in range(50)))
    assert {vector.shape for vector in vectors} == {(1, 384)}
    assert watch.events == ["loaded text-embedding 1"]


async def test_a_caller_who_gives_up_does_not_stop_the_loading(open_engine: OpenEngine, watch: Watch) -> None:
    engine = await open_engine(watch)
    impatient = asyncio.create_task(embed(engine, "hello"))
    await eventually(lambda: any(state.state == "LOADING" for state in engine.index()))
    impatient.cancel()
    await eventually(lambda: engine.is_ready("text-embedding", None))
    assert impatient.cancelled()
    assert engine.in_flight == 0


@pytest.mark.usefixtures("abc")
async def test_the_least_recently_used_makes_room(open_engine: OpenEngine, watch: Watch) -> None:
    engine = await open_engine(watch, memory_budget_mb=10)
    for name in ("a", "b", "a", "c"):
        await ask(engine, name, X)
    assert in_memory(engine) == {"a", "c"}
    assert watch.events == ["loaded a 1", "loaded b 1", "evicted b 1", "loaded c 1"]
    assert (await ask(engine, "b", X)).tolist() == [[1, 1]]
    assert in_memory(engine) == {"b", "c"}


@pytest.mark.usefixtures("abc")
async def test_a_model_at_work_is_not_thrown_out(
    open_engine: OpenEngine, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = await open_engine(watch, memory_budget_mb=10)
    for name in "ab":
        await engine.load(name)
    working, free = hold_up(monkeypatch)
    busy = [asyncio.create_task(ask(engine, name, X)) for name in "ab"]
    await eventually(lambda: len(working) == 2)
    monkeypatch.undo()
    assert (await ask(engine, "c", X)).tolist() == [[2, 2]]
    # All three were at work for a moment; c was the first to rest.
    assert {"a", "b"} <= in_memory(engine)
    free()
    assert [(await task).tolist() for task in busy] == [[[0, 0]], [[1, 1]]]
    assert len(in_memory(engine)) <= 2


@pytest.mark.usefixtures("abc")
async def test_work_that_has_begun_is_finished_when_its_model_is_unloaded(
    open_engine: OpenEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = await open_engine()
    await engine.load("b")
    working, free = hold_up(monkeypatch)
    busy = asyncio.create_task(ask(engine, "b", X))
    await eventually(lambda: len(working) == 1)
    await engine.unload("b")
    assert in_memory(engine) == set()
    free()
    assert (await busy).tolist() == [[1, 1]]


async def test_a_model_that_never_fits_says_so(open_engine: OpenEngine, models_dir: Path) -> None:
    write(models_dir, "huge", adding(1), definition={"memory_mb": 11})
    engine = await open_engine(memory_budget_mb=10)
    with pytest.raises(ModelUnavailable, match="11 MB and MEMORY_BUDGET_MB is 10"):
        await ask(engine, "huge", X)


async def test_weights_count_as_memory(open_engine: OpenEngine) -> None:
    engine = await open_engine(memory_budget_mb=80)
    with pytest.raises(ModelUnavailable, match=r"8\d MB"):
        await embed(engine, "hello")


async def test_a_failure_is_reported_once(open_engine: OpenEngine, models_dir: Path, watch: Watch) -> None:
    write(models_dir, "broken", b"oops")
    engine = await open_engine(watch)
    for _ in range(3):
        with pytest.raises(ModelUnavailable):
            await ask(engine, "broken", X)
    assert watch.events == ["failed broken"]


@pytest.mark.usefixtures("abc")
async def test_a_closed_engine_takes_nothing(open_engine: OpenEngine) -> None:
    engine = await open_engine()
    await ask(engine, "a", X)
    await engine.close()
    for asked in (ask(engine, "a", X), engine.load("a"), engine.metadata("a", None)):
        with pytest.raises(ModelUnavailable, match="shutting down"):
            await asked
