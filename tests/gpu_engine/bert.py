"""BERT's encoder in numpy, written from the paper and not from the graph, to compare the two."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Weights = Mapping[str, NDArray[np.float32]]


def _erf(numbers: Array) -> Array:
    return np.fromiter(map(math.erf, numbers.flat), float, numbers.size).reshape(numbers.shape)


def embed(weights: Weights, tokens: list[int], heads: int = 12, layers: int = 6) -> Array:
    """The vector of one text, without padding, in double precision."""
    state = weights["embeddings.word_embeddings.weight"][tokens].astype(np.float64)
    state += weights["embeddings.position_embeddings.weight"][: len(tokens)]
    state += weights["embeddings.token_type_embeddings.weight"][0]
    state = _normalize(state, weights, "embeddings.LayerNorm")
    for layer in range(layers):
        state = _layer(state, weights, f"encoder.layer.{layer}", heads)
    mean = state.mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean))


def _layer(state: Array, weights: Weights, name: str, heads: int) -> Array:
    parts = (_dense(state, weights, f"{name}.attention.self.{part}") for part in ("query", "key", "value"))
    contexts = []
    for query, key, value in zip(*(np.split(part, heads, axis=1) for part in parts), strict=True):
        scores = np.exp(query @ key.T / math.sqrt(query.shape[1]))
        contexts.append(scores / scores.sum(axis=1, keepdims=True) @ value)
    attended = _dense(np.concatenate(contexts, axis=1), weights, f"{name}.attention.output.dense")
    state = _normalize(state + attended, weights, f"{name}.attention.output.LayerNorm")
    wide = _dense(state, weights, f"{name}.intermediate.dense")
    active = wide * (1 + _erf(wide / math.sqrt(2))) / 2
    return _normalize(state + _dense(active, weights, f"{name}.output.dense"), weights, f"{name}.output.LayerNorm")


def _dense(state: Array, weights: Weights, name: str) -> Array:
    return np.asarray(state @ weights[f"{name}.weight"].T.astype(np.float64) + weights[f"{name}.bias"])


def _normalize(state: Array, weights: Weights, name: str) -> Array:
    centred = state - state.mean(axis=1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-12)
    return np.asarray(centred / deviation * weights[f"{name}.weight"] + weights[f"{name}.bias"])
