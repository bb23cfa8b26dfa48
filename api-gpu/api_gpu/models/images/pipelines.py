"""Encoded pictures in; thumbnails, normalized pixels or hashes out."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from api_gpu.errors import InvalidInput
from api_gpu.models.images import pictures
from api_gpu.models.images.pictures import Picture
from api_gpu.models.images.sizes import CANVAS, CROP, HASHED
from api_gpu.models.pipeline import (
    Array,
    Item,
    Limits,
    Pipeline,
    Row,
    TensorInfo,
    Tensors,
    elements,
    expect_inputs,
    stacked,
)  # fmt: skip

IMAGE = TensorInfo("image", "BYTES", (-1,))
PIXELS_PER_BATCH = 16_000_000  # 48 MB of them
PICTURES_PER_BATCH = 32
FORMATS = ("png", "jpeg", "webp")
GREY, COLOURS, PREMULTIPLIED = "L", "RGB", "RGBa"
EXAMPLE = pictures.encode(np.zeros((8, 8, 3), np.uint8), COLOURS, "png", None)


@dataclass(frozen=True, slots=True)
class Job:
    index: int  # in its request
    picture: Picture
    mode: str
    size: tuple[int, int] | None = None  # height, width
    file_format: str = ""


class ImagePipeline(Pipeline):
    """Headers are read when a request arrives. Pixels, which need much more memory, just before their batch."""

    inputs: tuple[TensorInfo, ...] = (IMAGE,)

    def __init__(self, *, concurrency: int) -> None:
        self.limits = Limits(PIXELS_PER_BATCH, PICTURES_PER_BATCH, concurrency=concurrency)

    def split(self, inputs: Tensors) -> list[Item]:
        expect_inputs(inputs, self.inputs)
        jobs = []
        for index, content in enumerate(elements(inputs, "image")):
            with _named(index):
                jobs.append(self.plan(pictures.read_header(content), inputs, index))
        return [Item(job, job.picture.width * job.picture.height, _group(job)) for job in jobs]

    @abstractmethod
    def plan(self, picture: Picture, inputs: Tensors, index: int) -> Job:
        """What is to be done with one of the pictures."""

    def load(self, item: Item) -> Array:
        job: Job = item.content
        with _named(job.index):
            return pictures.decode(job.picture, job.mode)

    def stack(self, items: Sequence[Item], loaded: Sequence[Any]) -> dict[str, Array]:  # noqa: ARG002
        return {"pixels": stacked(loaded)}

    def examples(self) -> list[Item]:
        return self.split({"image": _objects([EXAMPLE])})


class Thumbnail(ImagePipeline):
    """Fits pictures into a size, keeping their proportions, their colour profile and, but for JPEG, transparency."""

    inputs = (IMAGE, TensorInfo("size", "INT32", (-1, 2)), TensorInfo("format", "BYTES", (-1,)))
    outputs = (TensorInfo("thumbnail", "BYTES", (-1,)),)

    def split(self, inputs: Tensors) -> list[Item]:
        expect_inputs(inputs, self.inputs)
        sizes = inputs["size"]
        if sizes.dtype != np.int32 or sizes.shape != (len(inputs["image"]), 2) or (sizes < 1).any():
            raise InvalidInput('The input "size" must be of datatype INT32 and shape [n, 2], and above 0.')
        unknown = {name for name in elements(inputs, "format") if name.decode("latin-1") not in FORMATS}
        if unknown:
            raise InvalidInput(f'The input "format" must be one of {", ".join(FORMATS)}.')
        return super().split(inputs)

    def plan(self, picture: Picture, inputs: Tensors, index: int) -> Job:
        width, height = (int(side) for side in inputs["size"][index])
        scale = min(width / picture.width, height / picture.height, 1)
        size = max(1, round(picture.height * scale)), max(1, round(picture.width * scale))
        mode = PREMULTIPLIED if picture.has_alpha else COLOURS  # else transparent pixels would colour their neighbours
        file_format = elements(inputs, "format")[index].decode()
        return Job(index, pictures.reduce(picture, 2 * max(size), COLOURS), mode, size, file_format)

    def stack(self, items: Sequence[Item], loaded: Sequence[Any]) -> dict[str, Array]:
        return {"pixels": stacked(loaded), "size": np.asarray(items[0].content.size, np.int64)}

    def finish(self, item: Item, row: Row) -> Row:
        job: Job = item.content
        image = job.picture.image
        profile = None if image.mode == "CMYK" else image.info.get("icc_profile")
        return {"thumbnail": pictures.encode(row["thumbnail"], job.mode, job.file_format, profile)}

    def examples(self) -> list[Item]:
        size = np.full((1, 2), 4, np.int32)
        return self.split({"image": _objects([EXAMPLE]), "size": size, "format": _objects([b"png"])})


class Normalize(ImagePipeline):
    """Pixels as vision models take them."""

    outputs = (TensorInfo("image", "FP32", (-1, 3, CROP, CROP)),)

    def plan(self, picture: Picture, inputs: Tensors, index: int) -> Job:  # noqa: ARG002
        return Job(index, pictures.reduce(picture, 2 * CANVAS, COLOURS), COLOURS)


class Hash(ImagePipeline):
    """Sixteen hexadecimal digits; alike pictures differ in few of their 64 bits."""

    outputs = (TensorInfo("hash", "BYTES", (-1,)),)

    def plan(self, picture: Picture, inputs: Tensors, index: int) -> Job:  # noqa: ARG002
        return Job(index, pictures.reduce(picture, 4 * HASHED, GREY), GREY)

    def stack(self, items: Sequence[Item], loaded: Sequence[Any]) -> dict[str, Array]:
        return {name: pixels[:, np.newaxis] for name, pixels in super().stack(items, loaded).items()}

    def finish(self, item: Item, row: Row) -> Row:  # noqa: ARG002
        return {"hash": row["hash"].tobytes().hex().encode()}


PIPELINES: dict[str, Callable[..., ImagePipeline]] = {
    "image-thumbnail": Thumbnail,
    "image-normalize": Normalize,
    "image-hash": Hash,
}


@contextmanager
def _named(index: int) -> Iterator[None]:
    """Say which picture of a request is meant."""
    try:
        yield
    except InvalidInput as error:
        raise InvalidInput(f"image[{index}]: {error.message}") from None


def _group(job: Job) -> tuple[Any, ...]:
    return job.picture.width, job.picture.height, job.mode, job.size


def _objects(values: Sequence[bytes]) -> Array:
    array = np.empty(len(values), object)
    array[:] = values
    return array
