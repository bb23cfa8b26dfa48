"""Pictures for the tests, whole and broken."""

import io
import struct
import zlib
from functools import cache
from typing import Any

import numpy as np
from PIL import Image


@cache
def photo(width: int = 320, height: int = 200, mode: str = "RGB") -> Image.Image:
    """Smooth, with edges, and different in every corner."""
    y, x = np.mgrid[:height, :width]
    waves = np.sin(x / 17) * np.cos(y / 11) * 60 + 120
    pixels = np.stack([waves + x * 90 // width, waves - y * 80 // height, np.where(x * 2 > width, 200, waves)], axis=-1)
    pixels[: height // 4, : width // 4] = (250, 30, 60)
    image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    return image if mode == "RGB" else image.convert(mode)


def encoded(image: Image.Image, file_format: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def decoded(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that promises many pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def without_palette(png: bytes, keep: int = 0) -> bytes:
    """A PNG whose palette has lost all bytes but so many; its checksums are right."""
    start = png.index(b"PLTE") - 4
    end = start + 12 + struct.unpack_from(">I", png, start)[0]
    kept = chunk(b"PLTE", png[start + 8 : start + 8 + keep]) if keep else b""
    return png[:start] + kept + png[end:]


def jpeg_bomb(width: int, height: int) -> bytes:
    """A JPEG whose header lies about its size."""
    content = bytearray(encoded(photo(), "JPEG"))
    start = content.index(b"\xff\xc0")
    content[start + 5 : start + 9] = struct.pack(">HH", height, width)
    return bytes(content)


def webp_bomb(kind: bytes, width: int, height: int) -> bytes:
    """A WebP of each of the three kinds, whose canvas Pillow would reserve when it opens the file."""
    match kind:
        case b"VP8X":
            data = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        case b"VP8L":
            data = b"\x2f" + ((width - 1) | (height - 1) << 14).to_bytes(4, "little") + bytes(20)
        case _:
            data = b"\x30\x01\x00\x9d\x01\x2a" + struct.pack("<HH", width, height) + bytes(20)
    body = b"WEBP" + kind + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body
