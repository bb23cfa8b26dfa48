"""The queue is bounded in inputs; deadlines and callers who have gone are honoured before the work begins."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from api_gpu.engine import Engine, EngineObserver
from api_gpu.errors import DeadlineExceeded, InvalidInput, ModelNotFound, QueueFull
from tests.gpu_engine.asking import ask, column, embed, hold_up
from tests.gpu_engine.conftest import OpenEngine
from tests.gpu_engine.small_models import adding, write
from tests.patience import PATIENCE, eventually


def rows(count: int) -> np.ndarray:
    return np.zeros((count, 2), np.float32)


class Watch(EngineObserver):
    def __init__(self) -> None:
        self.waiting: dict[str, int] = defaultdict(int)
        self.notes: list[tuple[str, int]] = []

    def queue_changed(self, model: str, inputs: int) -> None:
        self.waiting[model] = inputs

    def refused(self, model: str, inputs: int) -> None:  # noqa: ARG002
        self.notes.append(("refused", inputs))

    def withdrawn(self, model: str, inputs: int, *, late: bool) -> None:  # noqa: ARG002
        self.notes.append(("late" if late else "gone", inputs))


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
async def plus(open_engine: OpenEngine, models_dir: Path, watch: Watch) -> Engine:
    """An engine with two models, batches of 4 and room for 10 inputs."""
    for name in ("plus", "other"):
        write(models_dir, name, adding(1), definition={"max_batch": 4})
    engine = await open_engine(watch, queue_inputs=10)
    await engine.load("plus")
    await engine.load("other")
    return engine


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch, plus: Engine) -> tuple[list[int], Callable[[], None]]:
    return hold_up(monkeypatch)


async def test_the_bound_counts_inputs(plus: Engine, watch: Watch, held: tuple[list[int], Callable[[], None]]) -> None:
    running, free = held
    first = asyncio.create_task(ask(plus, "plus", rows(4)))
    await eventually(lambda: running == [4])
    assert watch.waiting["plus"] == 0  # what runs waits no longer
    second = asyncio.create_task(ask(plus, "plus", rows(7)))
    await eventually(lambda: watch.waiting["plus"] == 7)
    with pytest.raises(QueueFull, match="7 inputs wait") as refused:
        await ask(plus, "plus", rows(4))
    assert refused.value.retry_after is not None
    assert 1 <= refused.value.retry_after <= 30
    third = asyncio.create_task(ask(plus, "plus", rows(3)))
    other = asyncio.create_task(ask(plus, "other", rows(10)))  # has a queue of its own
    await eventually(lambda: watch.waiting["plus"] == 10)
    assert plus.in_flight == 4
    free()
    assert [len(await task) for task in (first, second, third, other)] == [4, 7, 3, 10]
    assert watch.waiting == {"plus": 0, "other": 0}
    assert watch.notes == [("refused", 4)]
    assert plus.in_flight == 0


async def test_those_who_wait_for_the_loading_count(open_engine: OpenEngine, watch: Watch) -> None:
    engine = await open_engine(watch, queue_inputs=3)
    asked = [asyncio.create_task(embed(engine, "a", "b")) for _ in range(2)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(answers[0], np.ndarray)
    assert isinstance(answers[1], QueueFull)


async def test_what_would_never_fit_is_bad_input(plus: Engine) -> None:
    with pytest.raises(InvalidInput, match="11 inputs in one request are too many; at most 10"):
        await ask(plus, "plus", rows(11))


async def test_unknown_models_have_no_queue(plus: Engine, watch: Watch) -> None:
    with pytest.raises(ModelNotFound):
        await ask(plus, "nobody", rows(1))
    assert "nobody" not in watch.waiting


async def test_a_deadline_that_has_passed_begins_nothing(plus: Engine, watch: Watch) -> None:
    now = asyncio.get_running_loop().time()
    with pytest.raises(DeadlineExceeded):
        await ask(plus, "plus", rows(2), deadline=now)
    assert plus.statistics("plus", None)[0]["execution_count"] == 0
    assert watch.notes == [("late", 2)]


async def test_a_deadline_passes_in_the_queue(
    plus: Engine, watch: Watch, held: tuple[list[int], Callable[[], None]]
) -> None:
    running, free = held
    first = asyncio.create_task(ask(plus, "plus", rows(1)))
    await eventually(lambda: running == [1])
    with pytest.raises(DeadlineExceeded):
        await ask(plus, "plus", rows(2), deadline=asyncio.get_running_loop().time() + 0.05)
    assert watch.waiting["plus"] == 0
    free()
    await first
    assert (running, watch.notes) == ([1], [("late", 2)])
    assert plus.statistics("plus", None)[0]["inference_count"] == 1


async def test_a_deadline_far_away_changes_nothing(plus: Engine) -> None:
    assert len(await ask(plus, "plus", rows(1), deadline=asyncio.get_running_loop().time() + PATIENCE)) == 1


async def test_who_has_gone_is_not_worked_for(
    plus: Engine, watch: Watch, held: tuple[list[int], Callable[[], None]]
) -> None:
    running, free = held
    first = asyncio.create_task(ask(plus, "plus", rows(1)))
    await eventually(lambda: running == [1])
    gone = asyncio.create_task(ask(plus, "plus", rows(9)))
    await eventually(lambda: watch.waiting["plus"] == 9)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert (watch.waiting["plus"], plus.in_flight) == (0, 1)
    free()
    await first
    assert (running, watch.notes) == ([1], [("gone", 9)])


async def test_one_text_overtakes_hundreds(engine: Engine) -> None:
    await engine.load("text-embedding")

    def batches() -> int:
        return int(engine.statistics("text-embedding", None)[0]["execution_count"])

    texts = column(["a text of just so many words that it has twelve"] * 800)
    before = batches()
    many = asyncio.create_task(engine.infer("text-embedding", None, {"text": texts}))
    await eventually(lambda: batches() > before)
    assert (await embed(engine, "one")).shape == (1, 384)
    assert not many.done()
    assert (await many).outputs["embedding"].shape == (800, 384)
