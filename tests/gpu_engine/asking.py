"""Requests to an engine."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from api_gpu.engine import Engine
from api_gpu.engine.session import Session
from tests.patience import PATIENCE


def column(values: Sequence[Any]) -> NDArray[Any]:
    """Bytes as they come off the wire."""
    array = np.empty(len(values), object)
    array[:] = [value.encode() if isinstance(value, str) else value for value in values]
    return array


async def embed(engine: Engine, *texts: str | bytes) -> NDArray[np.float32]:
    answer = await engine.infer("text-embedding", None, {"text": column(texts)})
    return np.asarray(answer.outputs["embedding"])


async def ask(engine: Engine, model: str, x: Any, version: str | None = None, **options: Any) -> NDArray[Any]:
    """A model of tensors with one input, `x`, and one output, `y`."""
    answer = await engine.infer(model, version, {"x": np.asarray(x)}, **options)
    return np.asarray(answer.outputs["y"])


def hold_up(monkeypatch: pytest.MonkeyPatch) -> tuple[list[int], Callable[[], None]]:
    """Let every batch stand before its graph: the sizes of those that have come there, and what lets them go on."""
    standing: list[int] = []
    free = threading.Event()
    run = Session.run

    def wait_and_run(session: Session, feeds: Any, **options: Any) -> Any:
        standing.append(len(next(iter(feeds.values()))))
        assert free.wait(PATIENCE)
        return run(session, feeds, **options)

    monkeypatch.setattr(Session, "run", wait_and_run)
    return standing, free.set
