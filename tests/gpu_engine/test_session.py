"""What ONNX Runtime is asked for, run by run."""

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from api_gpu.engine import session as sessions
from api_gpu.engine.device import Device
from api_gpu.engine.session import RunFailed, Session
from tests.gpu_engine.small_models import adding, looking_up, write

X = np.array([[1, 2]], np.float32)


@pytest.fixture
def adds(models_dir: Path) -> Path:
    return write(models_dir, "adds", adding(1)) / "1" / "model.onnx"


def test_a_session_may_shrink_its_memory(adds: Path) -> None:
    session = Session(adds, Device("cpu"), threads=1, cpu_nodes=False)
    assert session.run({"x": X}, shrink=True)["y"].tolist() == [[2, 3]]


def test_a_device_without_an_arena_runs_all_the_same(adds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime refuses to run where it should shrink what is not there."""
    absent = sessions._shrinking("gpu:0")
    session = Session(adds, Device("cpu"), threads=1, cpu_nodes=False)
    with pytest.raises(Exception, match="shrink list"):
        session._session.run(None, {"x": X}, absent)
    monkeypatch.setattr(session, "_shrinking", absent)
    assert session.run({"x": X}, shrink=True)["y"].tolist() == [[2, 3]]
    assert session._shrinking is None


def test_a_failed_run_says_why_in_a_line(models_dir: Path) -> None:
    graph = write(models_dir, "table", looking_up(3)) / "1" / "model.onnx"
    session = Session(graph, Device("cpu"), threads=1, cpu_nodes=False)
    with pytest.raises(RunFailed, match=r"^indices element out of data bounds.*$") as failed:
        session.run({"x": np.array([7])})
    assert not failed.value.out_of_memory
    assert RunFailed(RuntimeError("[E] Failed to allocate memory for requested buffer of size 9")).out_of_memory


def test_threads_do_not_spin(adds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[ort.SessionOptions] = []
    session = ort.InferenceSession

    def remember(model: str, options: ort.SessionOptions, **more: object) -> ort.InferenceSession:
        opened.append(options)
        return session(model, options, **more)

    monkeypatch.setattr(ort, "InferenceSession", remember)
    Session(adds, Device("cpu"), threads=3, cpu_nodes=False)
    (options,) = opened
    assert options.intra_op_num_threads == 3
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
