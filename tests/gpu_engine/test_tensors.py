"""Any ONNX model: plain tensors in, plain tensors out."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from api_gpu.engine import TensorInfo
from api_gpu.errors import InvalidInput, ModelUnavailable
from tests.gpu_engine.asking import ask, column
from tests.gpu_engine.conftest import OpenEngine
from tests.gpu_engine.small_models import adding, graph, looking_up, node, write

KINDS = {
    "BOOL": (TensorProto.BOOL, np.bool_),
    "UINT8": (TensorProto.UINT8, np.uint8),
    "UINT16": (TensorProto.UINT16, np.uint16),
    "UINT32": (TensorProto.UINT32, np.uint32),
    "UINT64": (TensorProto.UINT64, np.uint64),
    "INT8": (TensorProto.INT8, np.int8),
    "INT16": (TensorProto.INT16, np.int16),
    "INT32": (TensorProto.INT32, np.int32),
    "INT64": (TensorProto.INT64, np.int64),
    "FP16": (TensorProto.FLOAT16, np.float16),
    "FP32": (TensorProto.FLOAT, np.float32),
    "FP64": (TensorProto.DOUBLE, np.float64),
}


@pytest.mark.parametrize("datatype", KINDS)
async def test_every_datatype_goes_through(open_engine: OpenEngine, models_dir: Path, datatype: str) -> None:
    kind, dtype = KINDS[datatype]
    write(models_dir, "same", graph([node("Identity", "x")], kind=kind))
    engine = await open_engine()
    x: NDArray[Any] = np.array([[0, 1], [1, 0]], dtype)
    y = await ask(engine, "same", x)
    assert y.dtype == dtype
    assert y.tolist() == x.tolist()
    metadata = await engine.metadata("same", None)
    assert metadata.inputs == (TensorInfo("x", datatype, (-1, 2)),)


async def test_text_goes_through(open_engine: OpenEngine, models_dir: Path) -> None:
    write(models_dir, "same", graph([node("Identity", "x")], kind=TensorProto.STRING))
    engine = await open_engine()
    x = column(["a", "é", "東京", ""]).reshape(2, 2)
    assert (await ask(engine, "same", x)).tolist() == x.tolist()
    with pytest.raises(InvalidInput, match="UTF-8"):
        await ask(engine, "same", column([b"\xff", b"a"]).reshape(1, 2))


async def test_callers_share_a_batch(open_engine: OpenEngine, models_dir: Path) -> None:
    write(models_dir, "plus", adding(1))
    engine = await open_engine()
    await engine.load("plus")
    x = [np.full((count, 2), count, np.float32) for count in (1, 2, 3)]
    answers = await asyncio.gather(*(ask(engine, "plus", each) for each in x))
    assert [answer.tolist() for answer in answers] == [(each + 1).tolist() for each in x]
    (statistics,) = engine.statistics("plus", None)
    assert statistics["inference_count"] == 6
    assert statistics["execution_count"] < 3


async def test_one_bad_input_fails_alone(open_engine: OpenEngine, models_dir: Path) -> None:
    write(models_dir, "table", looking_up(5))
    engine = await open_engine()
    await engine.load("table")
    asked = [[0, 1], [2], [99], [3, 4], [0, -99]]
    answers = await asyncio.gather(*(ask(engine, "table", np.array(x)) for x in asked), return_exceptions=True)
    fine = [answer.tolist() if isinstance(answer, np.ndarray) else type(answer) for answer in answers]
    assert fine == [[0, 10], [20], InvalidInput, [30, 40], InvalidInput]
    assert "data bounds" in str(answers[2])


async def test_a_model_with_a_fixed_batch_gets_requests_as_they_are(open_engine: OpenEngine, models_dir: Path) -> None:
    write(models_dir, "pair", adding(1, shape=(2, 2)))
    engine = await open_engine()
    assert (await ask(engine, "pair", np.zeros((2, 2), np.float32))).tolist() == [[1, 1], [1, 1]]
    with pytest.raises(InvalidInput, match=r"\[3, 2\]; the model takes \[2, 2\]"):
        await ask(engine, "pair", np.zeros((3, 2), np.float32))
    assert engine.config("pair")["max_batch_size"] == 0


async def test_a_model_that_only_seems_to_batch_says_so(open_engine: OpenEngine, models_dir: Path) -> None:
    twice = graph([node("Concat", "x", "x", axis=0)], out_shape=("twice", 2))
    definition = {"batched": False}
    write(models_dir, "honest", twice, definition=definition)
    engine = await open_engine()
    assert (await ask(engine, "honest", np.ones((3, 2), np.float32))).shape == (6, 2)
    write(models_dir, "twice", twice)
    with pytest.raises(ModelUnavailable, match='"batched": false'):
        await ask(engine, "twice", np.ones((3, 2), np.float32))


async def test_a_model_without_a_batch_axis_needs_no_definition(open_engine: OpenEngine, models_dir: Path) -> None:
    write(models_dir, "total", graph([node("ReduceSum", "x", keepdims=1)], out_shape=("one", 1)))
    assert (await ask(await open_engine(), "total", np.ones((3, 2), np.float32))).tolist() == [[6]]


async def test_rows_of_other_shapes_are_not_mixed(open_engine: OpenEngine, models_dir: Path) -> None:
    write(models_dir, "plus", adding(1, shape=("batch", "width")))
    engine = await open_engine()
    await engine.load("plus")
    x = [np.zeros((1, width), np.float32) for width in (1, 2, 1)]
    answers = await asyncio.gather(*(ask(engine, "plus", each) for each in x))
    assert [answer.shape for answer in answers] == [(1, 1), (1, 2), (1, 1)]


async def test_several_outputs(open_engine: OpenEngine, models_dir: Path) -> None:
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ("batch", 1)) for name in "ab"]
    nodes = [helper.make_node("Split", ["x"], ["a", "b"], axis=1, num_outputs=2)]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ("batch", 2))
    opset = [helper.make_opsetid("", 20)]
    model = helper.make_model(helper.make_graph(nodes, "g", [x], outputs), opset_imports=opset, ir_version=10)
    write(models_dir, "split", model.SerializeToString())
    answer = await (await open_engine()).infer("split", None, {"x": np.array([[1, 2], [3, 4]], np.float32)})
    assert {name: array.tolist() for name, array in answer.outputs.items()} == {"a": [[1], [3]], "b": [[2], [4]]}


@pytest.mark.parametrize(
    ("x", "complaint"),
    [
        (np.zeros((1, 3), np.float32), r"shape \[1, 3\]; the model takes \[-1, 2\]"),
        (np.zeros((1, 2, 1), np.float32), r"shape \[1, 2, 1\]"),
        (np.zeros((1, 2), np.float64), "datatype FP32"),
        (np.zeros((0, 2), np.float32), "at least 1"),
    ],
    ids=["too wide", "too deep", "other datatype", "empty"],
)
async def test_tensors_that_do_not_fit_are_refused(
    open_engine: OpenEngine, models_dir: Path, x: Any, complaint: str
) -> None:
    write(models_dir, "plus", adding(1))
    with pytest.raises(InvalidInput, match=complaint):
        await ask(await open_engine(), "plus", x)
