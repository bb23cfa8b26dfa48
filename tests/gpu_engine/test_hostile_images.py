"""Bombs, liars and broken pictures are refused before they are decoded, and nobody else notices."""

import asyncio
from typing import Any

import numpy as np
import pytest
from PIL import Image

from api_gpu.engine import Engine
from api_gpu.errors import InvalidInput
from api_gpu.models.images.pictures import read_header
from tests.gpu_engine.asking import column
from tests.gpu_engine.pictures import encoded, jpeg_bomb, photo, png_bomb, webp_bomb, without_palette

WHOLE = encoded(photo())
INK = encoded(photo(mode="1"))
JPEG = encoded(photo(), "JPEG")
WEBP = encoded(photo(), "WEBP")

BOMBS = {
    "png": png_bomb(8000, 5001),
    "png of the largest size": png_bomb(2**31 - 1, 2**31 - 1),
    "jpeg": jpeg_bomb(65_500, 65_500),
    "webp, extended": webp_bomb(b"VP8X", 16_383, 16_383),
    "webp, lossless": webp_bomb(b"VP8L", 16_384, 16_384),
    "webp, lossy": webp_bomb(b"VP8 ", 16_383, 16_383),
}
BROKEN = {
    "empty": b"",
    "text": b"this is not a picture",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
    "gif": encoded(photo(), "GIF"),
    "bmp": encoded(photo(), "BMP"),
    "tiff": encoded(photo(), "TIFF"),
    "png, cut": WHOLE[: len(WHOLE) // 2],
    "png, head alone": WHOLE[:40],
    "png, 8 bytes": WHOLE[:8],
    "png, scrambled": WHOLE[:200] + bytes(len(WHOLE) - 200),
    "png, its end lost": INK[:3000] + bytes(len(INK) - 3000),  # zeros decode well, as more of the same
    "png, a checksum wrong": WHOLE[:-13] + bytes([WHOLE[-13] ^ 1]) + WHOLE[-12:],
    "png, no palette": without_palette(encoded(photo(mode="P"))),
    "png, half a palette": without_palette(encoded(photo(mode="P")), keep=60),
    "png, no pixels": png_bomb(0, 0),
    "jpeg, cut": JPEG[: len(JPEG) // 2],
    "jpeg, head alone": JPEG[:20],
    "webp, cut": WEBP[: len(WEBP) // 2],
    "webp, head alone": WEBP[:20],
    "webp, no data": webp_bomb(b"VP8X", 10, 10),
}


async def hash_of(engine: Engine, *contents: bytes) -> Any:
    answer = await engine.infer("image-hash", None, {"image": column(contents)})
    return answer.outputs["hash"].tolist()


@pytest.mark.parametrize("name", BOMBS)
async def test_a_bomb_is_refused_before_it_is_decoded(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    await engine.load("image-hash")  # which decodes a picture of its own

    def explode(*_arguments: Any) -> None:
        raise AssertionError("it is being decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", explode)
    if name.startswith("webp"):
        monkeypatch.setattr("PIL.WebPImagePlugin.WebPImageFile._open", explode)
    with pytest.raises(InvalidInput, match="at most 40 million"):
        read_header(BOMBS[name])
    with pytest.raises(InvalidInput, match=r"image\[0\].*at most 40 million"):
        await hash_of(engine, BOMBS[name])


def test_40_million_pixels_are_allowed() -> None:
    assert read_header(png_bomb(8000, 5000)).width == 8000


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_picture_fails_alone(engine: Engine, name: str) -> None:
    requests = (WHOLE,), (BROKEN[name],), (JPEG, BROKEN[name])
    answers = await asyncio.gather(*(hash_of(engine, *contents) for contents in requests), return_exceptions=True)
    good, bad, mixed = answers
    assert good == await hash_of(engine, WHOLE)
    assert isinstance(bad, InvalidInput)
    assert isinstance(mixed, InvalidInput)
    assert "picture" in str(bad)


async def test_the_message_says_which_picture(engine: Engine) -> None:
    with pytest.raises(InvalidInput, match=r"image\[2\]: The picture is no readable PNG, JPEG or WebP"):
        await hash_of(engine, WHOLE, JPEG, b"?")
    with pytest.raises(InvalidInput, match=r"image\[1\]: The picture is truncated"):
        await hash_of(engine, WHOLE, BROKEN["jpeg, cut"])


def test_pillows_own_limit_is_no_warning() -> None:
    assert Image.MAX_IMAGE_PIXELS is None


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"size": np.array([[0, 5]], np.int32)}, '"size"'),
        ({"size": np.array([[5, -1]], np.int32)}, '"size"'),
        ({"size": np.array([[5, 5]], np.int64)}, '"size"'),
        ({"size": np.array([[5, 5, 5]], np.int32)}, '"size"'),
        ({"format": column(["gif"])}, '"format" must be one of png, jpeg, webp'),
        ({"format": column([b"\xff"])}, '"format"'),
        ({"format": np.zeros(1, np.int32)}, '"format" must be of datatype BYTES'),
        ({"image": np.zeros(1, np.uint8)}, '"image" must be of datatype BYTES'),
        ({"size": np.full((2, 2), 5, np.int32)}, "same first axis"),
    ],
    ids=["no width", "negative", "other datatype", "other shape", "gif", "no text", "no bytes", "pixels", "two sizes"],
)
async def test_thumbnails_that_make_no_sense_are_refused(
    engine: Engine, changes: dict[str, Any], complaint: str
) -> None:
    inputs = {"image": column([WHOLE]), "size": np.array([[5, 5]], np.int32), "format": column(["png"])}
    with pytest.raises(InvalidInput, match=complaint):
        await engine.infer("image-thumbnail", None, {**inputs, **changes})
