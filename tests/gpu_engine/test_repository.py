"""The model repository on the disk: versions, names, and folders with something wrong."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from api_gpu.engine import Engine, ModelState
from api_gpu.errors import ModelNotFound, ModelUnavailable
from tests.gpu_engine.asking import ask, embed
from tests.gpu_engine.conftest import OpenEngine
from tests.gpu_engine.small_models import adding, graph, node, write

X = np.zeros((1, 2), np.float32)
BUILT_IN = ["image-hash", "image-normalize", "image-thumbnail", "text-embedding"]


def sequence_model() -> bytes:
    """Takes a sequence of tensors, for which the protocol has no form."""
    x = helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, None)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    model = helper.make_graph([node("ConcatFromSequence", "x", axis=0)], "g", [x], [y])
    return bytes(
        helper.make_model(model, opset_imports=[helper.make_opsetid("", 20)], ir_version=10).SerializeToString()
    )


def index(engine: Engine) -> dict[str, ModelState]:
    return {state.name: state for state in engine.index() if state.name not in BUILT_IN}


async def test_the_highest_version_is_the_newest(open_engine: OpenEngine, models_dir: Path) -> None:
    for version in (2, 10, 9):
        write(models_dir, "plus", adding(version), str(version))
    engine = await open_engine()
    assert (await ask(engine, "plus", X)).tolist() == [[10, 10]]
    assert (await ask(engine, "plus", X, "2")).tolist() == [[2, 2]]
    answer = await engine.infer("plus", None, {"x": X})
    assert answer.model_version == "10"
    metadata = await engine.metadata("plus", None)
    assert (metadata.name, metadata.versions, metadata.platform) == ("plus", ("2", "9", "10"), "onnxruntime_onnx")
    states = [(state.version, state.state) for state in engine.index() if state.name == "plus"]
    assert states == [("2", "READY"), ("9", "UNAVAILABLE"), ("10", "READY")]


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../secret", "a/b", "/etc", "a\\b", ".hidden", "x" * 129, "a\n", "a\0b", "nobody", "é"]
)
async def test_other_names_are_not_found(open_engine: OpenEngine, models_dir: Path, name: str) -> None:
    write(models_dir.parent, "secret", adding(1))
    write(models_dir, ".hidden", adding(1))
    engine = await open_engine()
    for asked in (ask(engine, name, X), engine.load(name), engine.unload(name), engine.metadata(name, None)):
        with pytest.raises(ModelNotFound):
            await asked
    for ask_now in (engine.config, lambda model: engine.statistics(model, None)):
        with pytest.raises(ModelNotFound):
            ask_now(name)


@pytest.mark.parametrize("version", ["", "0", "2", "01", "..", "../1", "one", "1 ", "²"])
async def test_other_versions_are_not_found(open_engine: OpenEngine, models_dir: Path, version: str) -> None:
    write(models_dir, "plus", adding(1))
    engine = await open_engine()
    with pytest.raises(ModelNotFound, match="version"):
        await ask(engine, "plus", X, version)
    with pytest.raises(ModelNotFound, match="version"):
        engine.is_ready("text-embedding", version or "0")


BROKEN: dict[str, tuple[bytes | None, Any, str]] = {
    "no-graph": (None, None, r"no folder .* holds a model\.onnx"),
    "not-onnx": (b"not an ONNX file", None, "cannot load it"),
    "empty": (b"", None, "cannot load it"),
    "unknown-operator": (graph([node("Teleport", "x")]), None, "Teleport"),
    "sequence": (sequence_model(), None, r"seq\(tensor\(float\)\)"),
    "bad-json": (adding(1), "{", "model.json"),
    "bad-key": (adding(1), {"max_tokenz": 3}, "max_tokenz"),
    "bad-value": (adding(1), {"max_batch": 0}, "max_batch"),
    "no-tokenizer": (graph([node("Identity", "x")]), {"pipeline": "text-embedding"}, "input_ids"),
    "fails": (adding(1), {"pipeline": "image-hash"}, "fails when it is run"),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_model_says_why_and_takes_nobody_down(
    open_engine: OpenEngine, models_dir: Path, name: str
) -> None:
    model, definition, reason = BROKEN[name]
    write(models_dir, name, model, definition=definition)
    write(models_dir, "plus", adding(1))
    engine = await open_engine()
    for _ in range(2):
        with pytest.raises(ModelUnavailable, match=reason):
            await ask(engine, name, X)
    with pytest.raises(ModelUnavailable, match=reason):
        await engine.load(name)
    assert (await ask(engine, "plus", X)).tolist() == [[1, 1]]
    state = index(engine)[name]
    assert state.state == "UNAVAILABLE"
    assert index(engine)["plus"].state == "READY"


async def test_a_text_model_needs_a_tokenizer(open_engine: OpenEngine, models_dir: Path) -> None:
    tokens = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ("n", "tokens"))
    vectors = helper.make_tensor_value_info("y", TensorProto.FLOAT, ("n", "width"))
    cast = helper.make_node("Cast", ["input_ids"], ["y"], to=TensorProto.FLOAT)
    opset = [helper.make_opsetid("", 20)]
    model = helper.make_model(helper.make_graph([cast], "g", [tokens], [vectors]), opset_imports=opset, ir_version=10)
    folder = write(models_dir, "mine", model.SerializeToString(), definition={"pipeline": "text-embedding"})
    engine = await open_engine()
    with pytest.raises(ModelUnavailable, match=r"tokenizer\.json cannot be read"):
        await engine.load("mine")
    words = {"type": "WordLevel", "vocab": {"a": 7, "?": 1}, "unk_token": "?"}
    tokenizer = {"version": "1.0", "model": words, "pre_tokenizer": {"type": "Whitespace"}}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    await engine.load("mine")
    answer = await engine.infer("mine", None, {"text": np.array([b"a b a"], object)})
    assert answer.outputs["embedding"].tolist() == [[7, 1, 7]]


async def test_a_model_of_the_user_stands_before_one_of_the_same_name(
    open_engine: OpenEngine, models_dir: Path
) -> None:
    write(models_dir, "text-embedding", adding(3))
    assert (await ask(await open_engine(), "text-embedding", X)).tolist() == [[3, 3]]


async def test_the_directory_need_not_exist(open_engine: OpenEngine, models_dir: Path) -> None:
    engine = await open_engine(models_dir=models_dir / "nowhere")
    assert [(state.name, state.state) for state in engine.index()] == [(name, "UNAVAILABLE") for name in BUILT_IN]
    assert (await embed(engine, "hello")).shape == (1, 384)


async def test_the_index_shows_what_can_be_loaded(open_engine: OpenEngine, models_dir: Path) -> None:
    write(models_dir, "plus", adding(1))
    write(models_dir, "empty", None)
    (models_dir / "file").write_text("no model")
    engine = await open_engine()
    assert index(engine)["plus"] == ModelState("plus", "1", "UNAVAILABLE", "not loaded")
    assert "no folder" in index(engine)["empty"].reason
    assert "file" not in index(engine)
    assert not engine.is_ready("plus", None)
    await engine.load("plus")
    assert index(engine)["plus"] == ModelState("plus", "1", "READY")
    assert engine.is_ready("plus", None)
    await engine.unload("plus")
    assert not engine.is_ready("plus", "1")


async def test_load_takes_a_changed_folder(open_engine: OpenEngine, models_dir: Path) -> None:
    write(models_dir, "plus", adding(1))
    engine = await open_engine()
    assert (await ask(engine, "plus", X)).tolist() == [[1, 1]]
    write(models_dir, "plus", adding(2))
    assert (await ask(engine, "plus", X)).tolist() == [[1, 1]]  # until somebody says so
    await engine.load("plus")
    assert (await ask(engine, "plus", X)).tolist() == [[2, 2]]
    write(models_dir, "plus", adding(3), "2")
    assert (await ask(engine, "plus", X)).tolist() == [[2, 2]]
    await engine.load("plus")
    assert (await ask(engine, "plus", X)).tolist() == [[3, 3]]
    assert (await ask(engine, "plus", X, "1")).tolist() == [[2, 2]]


async def test_a_broken_change_leaves_what_was_there(open_engine: OpenEngine, models_dir: Path) -> None:
    write(models_dir, "plus", adding(1))
    engine = await open_engine()
    await engine.load("plus")
    write(models_dir, "plus", b"oops")
    with pytest.raises(ModelUnavailable):
        await engine.load("plus")
    assert (await ask(engine, "plus", X)).tolist() == [[1, 1]]
    assert engine.is_ready("plus", None)


async def test_a_repaired_model_is_loaded_when_somebody_says_so(open_engine: OpenEngine, models_dir: Path) -> None:
    write(models_dir, "plus", b"oops")
    engine = await open_engine()
    with pytest.raises(ModelUnavailable):
        await ask(engine, "plus", X)
    write(models_dir, "plus", adding(1))
    with pytest.raises(ModelUnavailable):  # not tried again with every request
        await ask(engine, "plus", X)
    await engine.load("plus")
    assert (await ask(engine, "plus", X)).tolist() == [[1, 1]]


async def test_a_deleted_model_answers_until_it_is_unloaded(open_engine: OpenEngine, models_dir: Path) -> None:
    folder = write(models_dir, "plus", adding(1))
    engine = await open_engine()
    await engine.load("plus")
    (folder / "1" / "model.onnx").unlink()
    assert (await ask(engine, "plus", X)).tolist() == [[1, 1]]
    await engine.unload("plus")
    with pytest.raises(ModelUnavailable, match="no folder"):
        await ask(engine, "plus", X)
