"""Image operations as ONNX graphs without weights.

Pixels are 8 bits wide: ONNX Runtime then resizes in fixed point as Pillow does, with the filter as wide as the
reduction asks for, so that nothing aliases.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from api_gpu.models.graph import Graph, TensorProto
from api_gpu.models.images.sizes import CANVAS, CROP, HASHED, KEPT

CUBIC = {"mode": "cubic", "cubic_coeff_a": -0.5}  # Pillow's BICUBIC
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as most vision models expect them
FLAT = 1e-2  # what rounding makes of a coefficient that is 0


def thumbnail() -> bytes:
    """pixels: UINT8 [batch, height, width, channels], size: INT64 [2] (height, width) → thumbnail, of that size."""
    graph = Graph()
    _resize(graph, "pixels", "size", axes=(1, 2), name="thumbnail", **CUBIC)
    pixels = (TensorProto.UINT8, ("batch", "height", "width", "channels"))
    return graph.model(
        "image-thumbnail",
        {"pixels": pixels, "size": (TensorProto.INT64, (2,))},
        {"thumbnail": (TensorProto.UINT8, ("batch", "new_height", "new_width", "channels"))},
    )


def normalize() -> bytes:
    """pixels: UINT8 [batch, height, width, 3] → image: FP32 [batch, 3, 224, 224], of mean 0 and deviation 1.

    The middle is cut out before it is resized, which gives the same and never makes a narrow picture huge.
    """
    graph = Graph()
    op, constant = graph.op, graph.constant
    extent = op("Shape", "pixels", name="extent", start=1, end=3)
    shorter = op("ReduceMin", extent, constant("sides", [0]), name="shorter", keepdims=1)
    scaled = op("Mul", shorter, constant("crop", [CROP]), name="scaled")
    rounded = op("Div", scaled, constant("canvas", [CANVAS]), name="rounded")
    side = op("Max", rounded, constant("one", [1]), name="side")
    start = op("Div", op("Sub", extent, side, name="margins"), constant("two", [2]), name="start")
    end = op("Add", start, side, name="end")
    middle = op("Slice", "pixels", start, end, constant("axes", [1, 2]), name="middle")
    small = _resize(graph, middle, constant("target", [CROP, CROP]), axes=(1, 2), name="small", mode="linear")
    planes = op("Transpose", op("Cast", small, name="numbers", to=TensorProto.FLOAT), name="planes", perm=(0, 3, 1, 2))
    mean = constant("mean", 255 * np.reshape(MEAN, (3, 1, 1)), np.float32)
    deviation = constant("deviation", 255 * np.reshape(DEVIATION, (3, 1, 1)), np.float32)
    op("Div", op("Sub", planes, mean, name="centred"), deviation, name="image")
    return graph.model(
        "image-normalize",
        {"pixels": (TensorProto.UINT8, ("batch", "height", "width", 3))},
        {"image": (TensorProto.FLOAT, ("batch", 3, CROP, CROP))},
    )


def perceptual_hash() -> bytes:
    """pixels: UINT8 [batch, 1, height, width], grey → hash: UINT8 [batch, 8].

    pHash (Zauner, 2010): a discrete cosine transform, and for each of the 64 lowest frequencies one bit: above the
    median or not. The order of the bits is that of the Python package imagehash.
    """
    graph = Graph()
    op, constant = graph.op, graph.constant
    small = _resize(graph, "pixels", constant("side", [HASHED, HASHED]), axes=(2, 3), name="small", **CUBIC)
    levels = op("Cast", small, name="levels", to=TensorProto.FLOAT)
    transform = _cosines()[:KEPT]
    columns = op("MatMul", constant("rows", transform, np.float32), levels, name="columns")
    block = op("MatMul", columns, constant("transposed", transform.T, np.float32), name="block")
    frequencies = op("Reshape", block, constant("flat", [0, KEPT * KEPT]), name="frequencies")
    half = constant("half", [KEPT * KEPT // 2 + 1])
    upper = op("TopK", frequencies, half, name="upper", more=["upper_indices"], axis=1)
    middle = op("Slice", upper, constant("from", [KEPT * KEPT // 2 - 1]), constant("to", [KEPT * KEPT // 2 + 1]),
                constant("axis", [1]), name="middle")  # fmt: skip
    median = op("ReduceMean", middle, constant("axis", [1]), name="median", keepdims=1)
    threshold = op("Add", median, constant("flatness", FLAT, np.float32), name="threshold")
    bits = op("Cast", op("Greater", frequencies, threshold, name="above"), name="bits", to=TensorProto.FLOAT)
    octets = op("Reshape", bits, constant("octets_shape", [0, KEPT, KEPT]), name="octets")
    values = op("MatMul", octets, constant("powers", 2.0 ** np.arange(7, -1, -1), np.float32), name="values")
    op("Cast", values, name="hash", to=TensorProto.UINT8)
    return graph.model(
        "image-hash",
        {"pixels": (TensorProto.UINT8, ("batch", 1, "height", "width"))},
        {"hash": (TensorProto.UINT8, ("batch", KEPT))},
    )


def _resize(graph: Graph, pixels: str, size: str, *, axes: tuple[int, int], name: str, **filtering: Any) -> str:
    return graph.op("Resize", pixels, "", "", size, name=name, axes=axes, antialias=1, exclude_outside=1, **filtering)


def _cosines() -> NDArray[np.float64]:
    """The matrix of the DCT-II: its product with a column of levels is their spectrum."""
    frequency, place = np.mgrid[:HASHED, :HASHED]
    return np.asarray(2 * np.cos(math.pi * frequency * (2 * place + 1) / (2 * HASHED)))
