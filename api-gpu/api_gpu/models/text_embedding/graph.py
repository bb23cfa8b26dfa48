"""all-MiniLM-L6-v2 as an ONNX graph of standard operators, which ONNX Runtime fuses for the device at hand.

The architecture is BERT's encoder (Devlin et al., 2018) with 6 layers of 12 heads, followed by the mean over the
tokens and L2 normalization, as in the model's `modules.json`.
"""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from api_gpu.models.graph import Graph, TensorProto

LAYERS, HEADS, WIDTH = 6, 12, 384
EPSILON = 1e-12
IGNORED = -1e4  # added to a score, it leaves nothing of it after the softmax, and fits into 16 bits

Weights = Mapping[str, NDArray[np.float32]]


def build(weights: Weights, precision: type[np.floating]) -> bytes:
    """input_ids, attention_mask: INT64 [batch, tokens] → embedding: FP32 [batch, 384], of length 1."""
    tokens = (TensorProto.INT64, ("batch", "tokens"))
    encoder = _Encoder(weights, precision)
    encoder.add()
    return encoder.graph.model(
        "all-MiniLM-L6-v2",
        {"input_ids": tokens, "attention_mask": tokens},
        {"embedding": (TensorProto.FLOAT, ("batch", WIDTH))},
    )


class _Encoder:
    def __init__(self, weights: Weights, precision: type[np.floating]) -> None:
        self.graph = Graph()
        self._weights = weights
        self._precision = precision
        self._type = TensorProto.FLOAT16 if precision is np.float16 else TensorProto.FLOAT

    def add(self) -> None:
        self._add_mask_bias()
        hidden = self._embed()
        for layer in range(LAYERS):
            hidden = self._layer(f"encoder.layer.{layer}", hidden)
        self._pool(hidden)

    def _number(self, name: str, value: float) -> str:
        return self.graph.constant(name, value, self._precision)

    def _weight(self, name: str, array: NDArray[np.float32] | None = None) -> str:
        return self.graph.constant(name, self._weights[name] if array is None else array, self._precision)

    def _add_mask_bias(self) -> None:
        """[batch, 1, 1, tokens]: 0 where there is a token, IGNORED where there is padding."""
        add, constant = self.graph.op, self.graph.constant
        mask = add("Cast", "attention_mask", name="mask", to=self._type)
        padding = add("Sub", self._number("one", 1), mask, name="padding")
        bias = add("Mul", padding, self._number("ignored", IGNORED), name="padding_bias")
        add("Unsqueeze", bias, constant("heads_and_queries", [1, 2]), name="attention_bias")

    def _embed(self) -> str:
        add, constant = self.graph.op, self.graph.constant
        words = add("Gather", self._weight("embeddings.word_embeddings.weight"), "input_ids", name="words")
        # Positions are counted from the mask and not from the shape: shapes are computed on the CPU.
        counted = add("CumSum", "attention_mask", constant("token_axis", 1), name="token_count")
        position = add("Sub", counted, constant("first", 1), name="position")
        # Every token is of the first segment: its embedding is part of the position's.
        table = self._weights["embeddings.position_embeddings.weight"]
        table = table + self._weights["embeddings.token_type_embeddings.weight"][0]
        places = add("Gather", self._weight("embeddings.places", table), position, name="places")
        return self._normalize("embeddings", add("Add", words, places, name="words_in_places"))

    def _layer(self, layer: str, hidden: str) -> str:
        context = self._attend(f"{layer}.attention.self", hidden)
        output = self._dense(f"{layer}.attention.output.dense", context)
        attended = self._add_and_normalize(f"{layer}.attention.output", output, hidden)
        wide = self._dense(f"{layer}.intermediate.dense", attended)
        active = self.graph.op("Gelu", wide, name=f"{layer}.gelu")
        return self._add_and_normalize(f"{layer}.output", self._dense(f"{layer}.output.dense", active), attended)

    def _attend(self, name: str, hidden: str) -> str:
        """Scaled dot-product attention of 12 heads."""
        add = self.graph.op
        query = self._heads(f"{name}.query", hidden, (0, 2, 1, 3))
        key = self._heads(f"{name}.key", hidden, (0, 2, 3, 1))
        value = self._heads(f"{name}.value", hidden, (0, 2, 1, 3))
        products = add("MatMul", query, key, name=f"{name}.products")
        scale = self._number("scale", 1 / math.sqrt(WIDTH // HEADS))
        scores = add("Mul", products, scale, name=f"{name}.scores")
        biased = add("Add", scores, "attention_bias", name=f"{name}.biased")
        shares = add("Softmax", biased, name=f"{name}.shares", axis=-1)
        context = add("MatMul", shares, value, name=f"{name}.context")
        rows = add("Transpose", context, name=f"{name}.rows", perm=(0, 2, 1, 3))
        return add("Reshape", rows, self.graph.constant("joined", [0, 0, WIDTH]), name=f"{name}.joined")

    def _heads(self, name: str, hidden: str, order: tuple[int, ...]) -> str:
        shape = self.graph.constant("split", [0, 0, HEADS, WIDTH // HEADS])
        split = self.graph.op("Reshape", self._dense(name, hidden), shape, name=f"{name}.split")
        return self.graph.op("Transpose", split, name=f"{name}.heads", perm=order)

    def _dense(self, name: str, hidden: str) -> str:
        weight = self._weight(f"{name}.weight", self._weights[f"{name}.weight"].T)
        product = self.graph.op("MatMul", hidden, weight, name=f"{name}.product")
        return self.graph.op("Add", product, self._weight(f"{name}.bias"), name=name)

    def _add_and_normalize(self, name: str, output: str, residual: str) -> str:
        return self._normalize(name, self.graph.op("Add", output, residual, name=f"{name}.residual"))

    def _normalize(self, name: str, hidden: str) -> str:
        weight, bias = self._weight(f"{name}.LayerNorm.weight"), self._weight(f"{name}.LayerNorm.bias")
        return self.graph.op("LayerNormalization", hidden, weight, bias, name=f"{name}.normal", epsilon=EPSILON)

    def _pool(self, hidden: str) -> None:
        """In 32 bits whatever the precision. The sum needs no division: scaled to length 1 it is the mean."""
        add, constant = self.graph.op, self.graph.constant
        states = add("Cast", hidden, name="states", to=TensorProto.FLOAT)
        mask = add("Cast", "attention_mask", name="pooling_mask", to=TensorProto.FLOAT)
        column = add("Unsqueeze", mask, constant("width", [2]), name="pooling_column")
        kept = add("Mul", states, column, name="kept")
        total = add("ReduceSum", kept, constant("tokens", [1]), name="total", keepdims=0)
        length = add("ReduceL2", total, constant("components", [1]), name="length", keepdims=1)
        add("Div", total, length, name="embedding")
