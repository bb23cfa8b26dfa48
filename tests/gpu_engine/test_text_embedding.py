"""The vectors of text-embedding are those of all-MiniLM-L6-v2, whoever else is in the batch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load
from tokenizers import Tokenizer

from api_gpu.engine import Engine
from api_gpu.errors import InvalidInput
from api_gpu.models.build_cache import BuildCache
from api_gpu.models.pipeline import Limits, TensorInfo
from api_gpu.models.text_embedding import weights
from api_gpu.models.text_embedding.pipeline import TextPipeline
from api_gpu.models.text_embedding.recipe import MAX_TOKENS, recipe
from tests.gpu_engine import bert
from tests.gpu_engine.asking import column, embed

TEXTS = [
    "This is an example sentence",
    "",
    "Buy milk; then: call the dentist?!",
    "Grüße aus Zürich, naïve café — 東京 🚀",
    "antidisestablishmentarianism " * 5,
    "word " * 40,
]


@pytest.fixture(scope="module")
def published() -> Mapping[str, NDArray[np.float32]]:
    return load(weights.read(weights.WEIGHTS))


@pytest.fixture(scope="module")
def pipeline(cache_dir: Path) -> TextPipeline:
    folder = BuildCache(cache_dir).folder(recipe("fp32"))
    graph = [TensorInfo("input_ids", "INT64", (-1, -1)), TensorInfo("attention_mask", "INT64", (-1, -1))]
    vectors = [TensorInfo("embedding", "FP32", (-1, 384))]
    return TextPipeline(folder / "tokenizer.json", graph, vectors, MAX_TOKENS, Limits(2048, 64))


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """As published, but for the limit, which is the model's."""
    tokenizer = Tokenizer.from_str(weights.read(weights.TOKENIZER).decode())
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)
    return tokenizer


async def test_vectors_are_what_an_independent_implementation_computes(
    engine: Engine, published: Mapping[str, NDArray[np.float32]], tokenizer: Tokenizer
) -> None:
    expected = [bert.embed(published, tokenizer.encode(text).ids) for text in TEXTS]
    assert await embed(engine, *TEXTS) == pytest.approx(np.array(expected), abs=2e-6)


async def test_vectors_are_the_published_ones(engine: Engine) -> None:
    """From the model's card, as printed by sentence-transformers."""
    (vector,) = await embed(engine, "This is an example sentence")
    assert vector[:7] == pytest.approx([0.0677, 0.0635, 0.0487, 0.0793, 0.0374, 0.0027, 0.0394], abs=6e-5)


async def test_similarities_are_the_published_ones(engine: Engine) -> None:
    """From the quickstart of sentence-transformers, which uses this model."""
    texts = "The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."
    vectors = await embed(engine, *texts)
    expected = [[1.0, 0.6660, 0.1046], [0.6660, 1.0, 0.1411], [0.1046, 0.1411, 1.0]]
    assert vectors @ vectors.T == pytest.approx(np.array(expected), abs=6e-5)


async def test_a_vector_does_not_depend_on_the_others_in_its_batch(engine: Engine) -> None:
    together = await embed(engine, *TEXTS)
    alone = np.concatenate([await embed(engine, text) for text in TEXTS])
    assert np.abs(together - alone).max() <= 1e-6


async def test_vectors_have_length_1(engine: Engine) -> None:
    assert np.linalg.norm(await embed(engine, *TEXTS), axis=1) == pytest.approx(1, abs=1e-6)


async def test_a_long_text_is_cut_at_256_tokens(engine: Engine) -> None:
    # Two of the 256 mark the beginning and the end.
    exact, longer = await embed(engine, "apple " * 254, "apple " * 254 + "and something else entirely")
    assert np.abs(exact - longer).max() <= 1e-6
    (shorter,) = await embed(engine, "apple " * 253)
    assert np.abs(exact - shorter).max() > 1e-5


@pytest.mark.parametrize(
    "text",
    [
        "one two three " * 20_000,
        " " * 100_000 + "the end",
        "a" * 200_000 + " tail",
        "東京" * 4_000,
        ("x" * 150 + "\x1c" + "y" * 30 + "\n") * 200,
    ],
    ids=["words", "spaces", "one word", "no spaces", "separators"],
)
def test_only_the_beginning_of_a_long_text_is_read_and_its_tokens_are_the_same(
    pipeline: TextPipeline, tokenizer: Tokenizer, text: str
) -> None:
    (item,) = pipeline.split({"text": column([text])})
    assert item.content.tolist() == tokenizer.encode(text).ids
    assert item.size == len(item.content)


async def test_tokens_are_counted(engine: Engine) -> None:
    answer = await engine.infer("text-embedding", None, {"text": column(["hello world", "x"])})
    assert (answer.model_name, answer.model_version, answer.tokens) == ("text-embedding", "1", 4 + 3)


@pytest.mark.parametrize(
    ("inputs", "complaint"),
    [
        ({"text": column([b"fine", b"\xff\xfe"])}, "UTF-8"),
        ({"text": np.zeros(3, np.float32)}, "BYTES"),
        ({"text": np.array(["str"], object)}, "BYTES"),
        ({"text": column(["a", "b"]).reshape(1, 2)}, "shape"),
        ({"texts": column(["a"])}, '"text" is missing'),
        ({"text": column(["a"]), "more": column(["a"])}, 'no input "more"'),
        ({"text": column([])}, "at least 1"),
        ({}, "at least 1"),
        ({"text": np.array(b"scalar", object)}, "at least 1"),
    ],
    ids=["not utf-8", "floats", "strings", "matrix", "other name", "one more", "no text", "no input", "scalar"],
)
async def test_bad_input_is_refused_with_a_sentence(engine: Engine, inputs: Any, complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        await engine.infer("text-embedding", None, inputs)


async def test_a_column_of_texts_is_taken_too(engine: Engine) -> None:
    answer = await engine.infer("text-embedding", None, {"text": column(["a", "b"]).reshape(2, 1)})
    assert answer.outputs["embedding"].shape == (2, 384)
