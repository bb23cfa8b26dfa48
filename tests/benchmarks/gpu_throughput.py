"""Texts per second: the engine next to ONNX Runtime used the ordinary way, on the same graph and tokenizer.

`COLUMNS` and `measure` give the head and the rows of a table for `report.Table`.
"""

import asyncio
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
from tokenizers import Tokenizer

from api_gpu.engine import Engine, EngineSettings
from api_gpu.engine.processors import available_processors
from api_gpu.models.build_cache import BuildCache
from api_gpu.models.text_embedding.recipe import MAX_TOKENS, NAME, recipe

TEXTS = 256
ROUNDS = 5
COLUMNS = ("", "texts/s", "ms", "batches of 32 = 1")
PADDED, ALONE = "onnxruntime, padded batches of 32", "onnxruntime, one by one"
TOGETHER, APART = "api-gpu, one caller", "api-gpu, a caller for each text"

WORDS = """
the a of and to for with before after review invoice customer deploy server backup holiday meeting quarterly report
dentist groceries repaint kitchen flight tickets passport renew insurance broken bicycle translate contract
"""

Candidate = Callable[[], Awaitable[None]]


def texts(count: int = TEXTS, seed: int = 7) -> list[str]:
    """As people write tasks: most are a line, a few go on for a page."""
    chance, words = random.Random(seed), WORDS.split()
    lengths = (min(200, max(2, int(chance.lognormvariate(2.6, 0.9)))) for _ in range(count))
    return [" ".join(chance.choices(words, k=length)) for length in lengths]


async def measure(settings: EngineSettings, *, count: int = TEXTS, rounds: int = ROUNDS) -> list[tuple[str, ...]]:
    """The rows: medians of interleaved rounds, each of which embeds all the texts."""
    asked = texts(count)
    engine = Engine(settings)
    try:
        await engine.load(NAME)
        ordinary = Ordinary(BuildCache(settings.cache_dir).folder(recipe("fp32")), settings.threads)
        seconds = await _rounds(_candidates(engine, ordinary, asked), rounds)
    finally:
        await engine.close()
    base = seconds[PADDED]
    return [
        (name, f"{count / each:,.0f}", f"{each * 1000:,.0f}", f"{base / each:.1f}") for name, each in seconds.items()
    ]


class Ordinary:
    """What a README shows: one session, one tokenizer that pads to the longest text of the batch."""

    def __init__(self, folder: Path, threads: int) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or available_processors()
        # On a machine that does much else spinning would make it slower yet; what is compared is the batching.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        providers = [
            name for name in ort.get_available_providers() if name in {"CUDAExecutionProvider", "CPUExecutionProvider"}
        ]
        self._session = ort.InferenceSession(str(folder / "1" / "model.onnx"), options, providers=providers)
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.enable_padding()

    def embed(self, batch: Sequence[str]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        encodings = self._tokenizer.encode_batch(list(batch))
        feeds = {
            "input_ids": np.array([encoding.ids for encoding in encodings], np.int64),
            "attention_mask": np.array([encoding.attention_mask for encoding in encodings], np.int64),
        }
        return np.asarray(self._session.run(None, feeds)[0])

    async def embed_all(self, asked: Sequence[str], batch: int) -> None:
        for start in range(0, len(asked), batch):
            await asyncio.to_thread(self.embed, asked[start : start + batch])


def _candidates(engine: Engine, ordinary: Ordinary, asked: Sequence[str]) -> dict[str, Candidate]:
    async def embed(some: Sequence[str]) -> None:
        column = np.array([text.encode() for text in some], object)
        await engine.infer(NAME, None, {"text": column})

    async def embed_apart() -> None:
        await asyncio.gather(*(embed([text]) for text in asked))

    return {
        PADDED: lambda: ordinary.embed_all(asked, 32),
        ALONE: lambda: ordinary.embed_all(asked, 1),
        TOGETHER: lambda: embed(asked),
        APART: embed_apart,
    }


async def _rounds(candidates: dict[str, Candidate], rounds: int) -> dict[str, float]:
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, run in candidates.items():
            start = time.perf_counter()
            await run()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(each) for name, each in seconds.items()}
