"""DEVICE says where models run. There is no GPU in the tests: what would need one is asked of a stand-in."""

from pathlib import Path
from typing import Any

import onnxruntime as ort
import pytest

from api_gpu.engine import device
from api_gpu.engine.device import CPU, CUDA, Device, choose_device, open_session
from api_gpu.engine.processors import available_processors
from api_gpu.errors import ModelUnavailable
from tests.gpu_engine.asking import embed
from tests.gpu_engine.conftest import OpenEngine


class Runtime:
    """ONNX Runtime with CUDA compiled in, on a machine where CUDA works, fails, or is left out in silence."""

    def __init__(self, cuda: str) -> None:
        self._cuda = cuda
        self.opened: list[dict[str, Any]] = []
        self.SessionOptions, self.InferenceSession = ort.SessionOptions, self.open

    def get_available_providers(self) -> list[str]:
        return [CUDA, CPU] if self._cuda else [CPU]

    def preload_dlls(self) -> None:
        if self._cuda == "no driver":
            raise OSError("libcuda.so.1: cannot open shared object file")

    def open(self, _model: Any, options: ort.SessionOptions, providers: list[Any], **more: Any) -> Any:
        self.opened.append(
            {
                "providers": [provider if isinstance(provider, str) else provider[0] for provider in providers],
                "cuda": providers[0][1],
                "strict": _entry(options, "session.disable_cpu_ep_fallback") == "1",
                **more,
            }
        )
        if self._cuda == "broken":
            raise RuntimeError("CUDA failure 100: no CUDA-capable device is detected\n")
        if self._cuda == "ignored":
            return ort.InferenceSession(device.PROBE, providers=[CPU])
        session = ort.InferenceSession(device.PROBE, providers=[CPU])
        session.get_providers = lambda: [CUDA, CPU]
        return session


def _entry(options: ort.SessionOptions, key: str) -> str:
    try:
        return str(options.get_session_config_entry(key))
    except RuntimeError:
        return ""


def use(monkeypatch: pytest.MonkeyPatch, cuda: str) -> Runtime:
    runtime = Runtime(cuda)
    monkeypatch.setattr(device, "ort", runtime)
    return runtime


def test_the_probe_is_a_model_that_runs() -> None:
    session = open_session(device.PROBE, Device("cpu"), threads=1)
    assert [output.tolist() for output in session.run(None, {"x": [3.0]})] == [[-3.0]]


@pytest.mark.parametrize("cuda", ["", "no driver", "broken", "ignored"])
def test_auto_falls_back_to_the_cpu(monkeypatch: pytest.MonkeyPatch, cuda: str) -> None:
    use(monkeypatch, cuda)
    assert choose_device("auto") == Device("cpu")


@pytest.mark.parametrize(
    ("cuda", "problem"),
    [
        ("", "this ONNX Runtime has no CUDA"),
        ("no driver", "libcuda.so.1: cannot open"),
        ("broken", "no CUDA-capable device"),
        ("ignored", "without CUDA"),
    ],
)
def test_cuda_is_cuda_or_a_problem(monkeypatch: pytest.MonkeyPatch, cuda: str, problem: str) -> None:
    use(monkeypatch, cuda)
    chosen = choose_device("cuda")
    assert chosen.problem is not None
    assert chosen.problem.startswith("DEVICE=cuda, but ")
    assert problem in chosen.problem


@pytest.mark.parametrize(("wanted", "strict"), [("auto", False), ("cuda", True)])
def test_cuda_is_used_where_a_session_runs_on_it(monkeypatch: pytest.MonkeyPatch, wanted: Any, strict: bool) -> None:
    use(monkeypatch, "works")
    assert choose_device(wanted) == Device("cuda", strict=strict)


def test_cpu_asks_nothing_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = use(monkeypatch, "works")
    assert choose_device("cpu") == Device("cpu")
    assert runtime.opened == []


@pytest.mark.parametrize(
    ("chosen", "cpu_nodes", "strict"),
    [
        (Device("cuda", strict=True), False, True),
        (Device("cuda", strict=True), True, False),
        (Device("cuda"), False, False),
    ],
    ids=["strict", "strict, with nodes on the CPU", "auto"],
)
def test_a_strict_session_has_no_cpu_to_fall_back_to(
    monkeypatch: pytest.MonkeyPatch, chosen: Device, cpu_nodes: bool, strict: bool
) -> None:
    runtime = use(monkeypatch, "works")
    open_session(b"", chosen, threads=1, cpu_nodes=cpu_nodes)
    (opened,) = runtime.opened
    assert opened["strict"] is strict
    assert opened["providers"] == ([CUDA] if strict else [CUDA, CPU])
    assert opened["cuda"]["use_tf32"] == "0"
    assert opened["enable_fallback"] == 0  # ONNX Runtime's Python layer has a fallback of its own


async def test_without_cuda_nothing_runs_on_the_cpu_in_silence(open_engine: OpenEngine) -> None:
    engine = await open_engine(device="cuda")
    assert engine.device_problem is not None
    assert "DEVICE=cuda" in engine.device_problem
    with pytest.raises(ModelUnavailable, match="DEVICE=cuda"):
        await embed(engine, "hello")
    with pytest.raises(ModelUnavailable, match="DEVICE=cuda"):
        await engine.load("image-hash")


async def test_on_the_cpu_there_is_no_problem(open_engine: OpenEngine) -> None:
    assert (await open_engine(device="auto")).device_problem is None


def cgroup(root: Path, quotas: dict[str, str], path: str = "/a/b") -> Path:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(f"1:name=systemd:/x\n0::{path}\n")
    for place, quota in quotas.items():
        directory = root / "sys/fs/cgroup" / place
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "cpu.max").write_text(quota)
    return root


@pytest.mark.parametrize(
    ("quotas", "processors"),
    [
        ({}, 8),
        ({"a/b": "max 100000\n"}, 8),
        ({"a/b": "200000 100000\n"}, 2),
        ({"a/b": "150000 100000\n"}, 2),
        ({"a/b": "10000 100000\n"}, 1),
        ({"a/b": "1600000 100000\n"}, 8),
        ({"a/b": "400000 100000\n", "a": "300000 100000\n"}, 3),
        ({".": "250000 50000\n"}, 5),
        ({"a/b": "nonsense\n"}, 8),
    ],
    ids=["none", "max", "two", "one and a half", "a tenth", "more than there are", "parent", "container", "nonsense"],
)
def test_threads_are_those_of_the_cgroup(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, quotas: dict[str, str], processors: int
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: set(range(8)), raising=False)
    assert available_processors(cgroup(tmp_path, quotas)) == processors


def test_no_cgroup_no_limit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: {0, 3, 5}, raising=False)
    assert available_processors(tmp_path) == 3
