"""Texts in, one vector for each out: tokenization, batches of tokens, padding."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from api_gpu.errors import InvalidInput
from api_gpu.models.definition import UnusableModel
from api_gpu.models.pipeline import Array, Item, Limits, Pipeline, TensorInfo, Tensors, elements, expect_inputs

TEXT = TensorInfo("text", "BYTES", (-1,))
CHARACTERS_PER_TOKEN = 16  # read at first; a text with fewer tokens than this is read on
WORD_ENDS = re.compile("[ \t\n\r]")  # for any tokenizer; BERT's drops other separators, and joins what they part


class TextPipeline(Pipeline):
    """For graphs of `input_ids`, `attention_mask` (and `token_type_ids`) that give one vector for each text."""

    inputs = (TEXT,)
    counts_tokens = True

    def __init__(
        self,
        tokenizer: Path,
        inputs: Sequence[TensorInfo],
        outputs: Sequence[TensorInfo],
        max_tokens: int,
        limits: Limits,
    ) -> None:
        self._names = [info.name for info in inputs]
        unknown = set(self._names) - {"input_ids", "attention_mask", "token_type_ids"}
        if unknown or "input_ids" not in self._names:
            raise UnusableModel(f"a graph for texts takes input_ids and attention_mask, not {', '.join(self._names)}")
        if len(outputs[0].shape) != 2:
            raise UnusableModel(f"the output {outputs[0].name} must be [batch, width]: add the pooling to the graph")
        self.outputs = (TensorInfo("embedding", "FP32", outputs[0].shape),)
        self.limits = limits
        self._max_tokens = max_tokens
        self._tokenizer = _load(tokenizer, max_tokens)

    def split(self, inputs: Tensors) -> list[Item]:
        expect_inputs(inputs, self.inputs)
        try:
            texts = [element.decode() for element in elements(inputs, "text")]
        except UnicodeDecodeError:
            raise InvalidInput('The input "text" has an element that is not UTF-8.') from None
        return [Item(tokens, size=len(tokens)) for tokens in self._tokenize(texts)]

    def _tokenize(self, texts: list[str]) -> list[NDArray[np.int64]]:
        """The first tokens of each text. Of a long one only the beginning is read, as far as its tokens need it."""
        cut = [_beginning(text, self._max_tokens * CHARACTERS_PER_TOKEN) for text in texts]
        encoded = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(cut)]
        for index, (text, start) in enumerate(zip(texts, cut, strict=True)):
            while len(encoded[index]) < self._max_tokens and len(start) < len(text):
                start = _beginning(text, 4 * len(start))  # noqa: PLW2901
                encoded[index] = self._tokenizer.encode_batch_fast([start])[0].ids
        return [np.asarray(ids, np.int64) for ids in encoded]

    def stack(self, items: Sequence[Item], loaded: Sequence[Any]) -> dict[str, Array]:
        shape = (len(items), max(item.size for item in items))
        feeds = {name: np.zeros(shape, np.int64) for name in ("input_ids", "attention_mask", "token_type_ids")}
        for row, tokens in enumerate(loaded):
            feeds["input_ids"][row, : len(tokens)] = tokens
            feeds["attention_mask"][row, : len(tokens)] = 1
        return {name: feeds[name] for name in self._names}

    def unstack(self, outputs: Tensors, count: int) -> list[Any]:
        (vectors, *_others) = outputs.values()
        return super().unstack({"embedding": vectors.astype(np.float32, copy=False)}, count)

    def examples(self) -> list[Item]:
        text = np.empty(1, object)
        text[0] = b"Is anybody awake?"
        return self.split({"text": text})


def _load(path: Path, max_tokens: int) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # noqa: BLE001  tokenizers raises Exception itself
        raise UnusableModel(f"tokenizer.json cannot be read: {error}") from None
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    return tokenizer


def _beginning(text: str, characters: int) -> str:
    """About so many characters, cut where a word ends: half a word would be other tokens."""
    if len(text) <= characters:
        return text
    end = WORD_ENDS.search(text, characters)
    return text[: end.start()] if end else text
