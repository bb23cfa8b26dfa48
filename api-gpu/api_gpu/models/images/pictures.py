"""Encoded pictures: what their headers promise, their pixels, and back. Nothing is decoded before its size is known."""

import io
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from api_gpu.errors import InvalidInput

Pixels = NDArray[np.uint8]

MOST_PIXELS = 40_000_000
FORMATS = ("PNG", "JPEG", "WEBP")
OPTIONS: dict[str, dict[str, Any]] = {"png": {}, "jpeg": {"quality": 85, "progressive": True}, "webp": {"quality": 80}}
DAMAGED = "The picture is truncated or damaged."
ORIENTATION = 0x0112  # EXIF's tag
TURNED: Final = range(5, 9)  # the orientations in which width and height change places

Image.MAX_IMAGE_PIXELS = None  # the limit here is lower, and an error instead of a warning


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture whose header has been read. Width and height are those that a viewer sees, orientation applied."""

    image: Image.Image
    width: int
    height: int
    orientation: int

    @property
    def has_alpha(self) -> bool:
        return self.image.has_transparency_data


def read_header(content: bytes) -> Picture:
    """What a PNG, JPEG or WebP says about itself.

    Raises:
        InvalidInput: it is of another format, too large or damaged.
    """
    if not content:
        raise InvalidInput("The picture is empty.")
    _refuse_large(*_webp_canvas(content))
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    except Exception:  # noqa: BLE001  Pillow's readers raise whatever their parsing trips over
        raise InvalidInput("The picture is no readable PNG, JPEG or WebP.") from None
    _refuse_large(*image.size)
    if image.format == "PNG":
        _verify(content)
    return _oriented(image, _orientation(image))


def reduce(picture: Picture, side: int, mode: str) -> Picture:
    """Let a JPEG be decoded at a half, a quarter or an eighth of its size where both sides stay at least this long."""
    image = picture.image
    image.draft(mode if image.mode in {"RGB", "L", "YCbCr"} else None, (side, side))
    return _oriented(image, picture.orientation)


def decode(picture: Picture, mode: str) -> Pixels:
    """The pixels, upright: [height, width] for mode L, else [height, width, channels].

    Raises:
        InvalidInput: the file is truncated or damaged.
    """
    try:
        _require_colours(picture.image)
        image = _eight_bits(picture.image)
        if mode == "RGBa" and image.mode != "RGBA":  # which alone can be premultiplied
            image = image.convert("RGBA")
        image = image if image.mode == mode else image.convert(mode)
        if picture.orientation != 1:
            image.getexif()[ORIENTATION] = picture.orientation
            image = ImageOps.exif_transpose(image)
        return np.asarray(image)
    except Exception:  # noqa: BLE001
        raise InvalidInput(DAMAGED) from None


def encode(pixels: Pixels, mode: str, file_format: str, profile: bytes | None) -> bytes:
    """A file of the format (png, jpeg or webp), without any metadata but the colour profile."""
    image = Image.fromarray(pixels) if mode == "RGB" else Image.frombytes(mode, pixels.shape[1::-1], pixels.tobytes())
    if mode == "RGBa":
        image = image.convert("RGBA")
    if file_format == "jpeg" and image.mode == "RGBA":  # which knows no transparency
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image).convert("RGB")
    file = io.BytesIO()
    image.save(file, file_format, icc_profile=profile, **OPTIONS[file_format])
    return file.getvalue()


def _oriented(image: Image.Image, orientation: int) -> Picture:
    width, height = image.size
    if orientation in TURNED:
        width, height = height, width
    return Picture(image, width, height, orientation)


def _refuse_large(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        limit = f"{MOST_PIXELS // 1_000_000} million"
        raise InvalidInput(f"The picture has {width} by {height} pixels; at most {limit} are allowed.")


def _verify(png: bytes) -> None:
    """Its checksums, which Pillow's decoder ignores: the zeros of a lost block may well decode, as black."""
    try:
        Image.open(io.BytesIO(png), formats=("PNG",)).verify()
    except Exception:  # noqa: BLE001
        raise InvalidInput(DAMAGED) from None


def _require_colours(image: Image.Image) -> None:
    """Pillow takes the colours that a PNG's palette lacks, or all of them, for black.

    Raises:
        LookupError
    """
    if image.mode == "P":
        colours = len(image.palette.palette) // len("RGB") if image.palette else 0  # decoding fills it up
        if np.asarray(image).max() >= colours:
            raise LookupError


def _orientation(image: Image.Image) -> int:
    """From the header alone, where `getexif` would decode some pictures to look behind their pixels."""
    exif = Image.Exif()
    try:
        exif.load(image.info.get("exif") or b"")
        orientation = exif.get(ORIENTATION, 1)
    except Exception:  # noqa: BLE001  damaged metadata: the picture may be whole
        return 1
    return orientation if orientation in range(1, 9) else 1


def _eight_bits(image: Image.Image) -> Image.Image:
    """Sixteen bits of grey, which Pillow would clip, are scaled."""
    if not image.mode.startswith("I"):
        return image
    return Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8))


def _webp_canvas(content: bytes) -> tuple[int, int]:
    """The size of a WebP, or zeros. Pillow reserves memory for the whole canvas when it opens one.

    https://developers.google.com/speed/webp/docs/riff_container
    """
    head = content[:30]
    if head[:4] != b"RIFF" or head[8:12] != b"WEBP" or len(head) < 30:
        return 0, 0
    match head[12:16]:
        case b"VP8X":
            return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
        case b"VP8L":
            bits = int.from_bytes(head[21:25], "little")
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        case _:
            return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF
