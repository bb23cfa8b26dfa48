"""Pictures, by the models of api-gpu."""

from typing import TYPE_CHECKING

from api_main.gpu.client import GpuClient
from api_main.gpu.errors import GpuUnavailable, InferenceRefused
from api_main.images.errors import ImageInvalid
from api_main.images.schemas import ThumbnailQuery

if TYPE_CHECKING:  # NumPy comes with the client of api-gpu, where there is one
    from service_wire.tensors import Tensor


async def thumbnail(gpu: GpuClient, picture: bytes, wanted: ThumbnailQuery) -> bytes:
    """The picture, made to fit.

    Raises:
        GpuUnavailable, ImageInvalid
    """
    import numpy as np  # noqa: PLC0415

    from service_wire.tensors import Tensor  # noqa: PLC0415

    size = np.array([[wanted.width, wanted.height]], dtype=np.int32)
    inputs = [_bytes("image", picture), Tensor("size", size), _bytes("format", wanted.format.encode())]
    return await _run(gpu, "image-thumbnail", inputs, "thumbnail")


async def perceptual_hash(gpu: GpuClient, picture: bytes) -> str:
    """What it looks like, in 16 hex digits.

    Raises:
        GpuUnavailable, ImageInvalid
    """
    return (await _run(gpu, "image-hash", [_bytes("image", picture)], "hash")).decode("ascii")


async def _run(gpu: GpuClient, model: str, inputs: "list[Tensor]", output: str) -> bytes:
    try:
        answer = await gpu.infer(model, inputs, gpu.deadline())
    except InferenceRefused as refusal:
        raise ImageInvalid(refusal.message, field="image") from None
    for tensor in answer.outputs:
        if tensor.name == output:
            found: bytes = tensor.array.item()
            return found
    raise GpuUnavailable


def _bytes(name: str, value: bytes) -> "Tensor":
    import numpy as np  # noqa: PLC0415

    from service_wire.tensors import Tensor  # noqa: PLC0415

    return Tensor(name, np.array([value], dtype=object))
