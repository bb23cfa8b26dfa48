"""Pictures in, thumbnails and hashes out; what is none, or too much, gets no further than its first bytes."""

import struct
import zlib
from contextlib import suppress
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_main.images.errors import ImageInvalid, ImageTooLarge
from api_main.images.inspection import inspect
from api_main.images.schemas import ImageFormat
from tests.gpu.stand_in import NOT_AN_IMAGE, StandIn
from tests.people import Person
from tests.tasks.client import error_of

THUMBNAIL = "/api/v1/images/thumbnail"
HASH = "/api/v1/images/hash"


def png(width: int = 2, height: int = 2) -> bytes:
    """A PNG that says that it is so large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"\x00" * 3 * 2)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def jpeg(width: int = 2, height: int = 2) -> bytes:
    frame = struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\x00"
    return b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0" + struct.pack(">H", len(frame) + 2) + frame + b"\xff\xd9"


def webp(width: int = 2, height: int = 2) -> bytes:
    canvas = b"\x00" * 4 + struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    chunk = b"VP8X" + struct.pack("<I", len(canvas)) + canvas
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


@pytest.fixture
def http(gpu_http: httpx.AsyncClient) -> httpx.AsyncClient:
    return gpu_http


async def send(
    http: httpx.AsyncClient, person: Person, path: str, picture: bytes, kind: str = "image/png", **query: Any
) -> httpx.Response:
    files = {"image": ("picture", picture, kind)}
    return await http.post(path, files=files, params=query, headers=person.headers)


@pytest.mark.parametrize(
    ("query", "made", "kind"),
    [
        ({}, b"webp 256x256", "image/webp"),
        ({"width": 64, "height": 32, "format": "png"}, b"png 64x32", "image/png"),
        ({"format": "jpeg"}, b"jpeg 256x256", "image/jpeg"),
    ],
    ids=["defaults", "png", "jpeg"],
)
async def test_a_thumbnail_comes_as_bytes(
    http: httpx.AsyncClient, ada: Person, query: dict[str, Any], made: bytes, kind: str
) -> None:
    answer = await send(http, ada, THUMBNAIL, png(), **query)
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, made, kind)
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_hash_is_16_hex_digits(http: httpx.AsyncClient, ada: Person) -> None:
    first, again, other = [
        (await send(http, ada, HASH, picture)).json()["data"]["hash"] for picture in (png(), png(), png(3))
    ]
    assert first == again != other
    assert len(first) == 16


@pytest.mark.parametrize(
    ("picture", "kind"),
    [(png(), "image/png"), (jpeg(), "image/jpeg"), (webp(), "image/webp"), (jpeg(), "application/octet-stream")],
    ids=["png", "jpeg", "webp", "unsaid"],
)
async def test_three_formats_are_taken(http: httpx.AsyncClient, ada: Person, picture: bytes, kind: str) -> None:
    assert (await send(http, ada, HASH, picture, kind)).status_code == 200


@pytest.mark.parametrize(
    ("picture", "kind"),
    [
        (b"", "image/png"),
        (b"hello", "image/png"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/>", "image/svg+xml"),
        (b"GIF89a\x01\x00\x01\x00", "image/gif"),
        (png()[:20], "image/png"),
        (png(0, 5), "image/png"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (webp()[:16], "image/webp"),
        (png(), "image/jpeg"),
        (png(), "text/plain"),
        (png() + NOT_AN_IMAGE, "image/png"),
    ],
    ids=[
        "nothing", "text", "svg", "gif", "cut short", "no width", "no frame", "no canvas", "a liar", "no image",
        "found out",
    ],
)  # fmt: skip
async def test_what_cannot_be_read_is_refused(
    http: httpx.AsyncClient, ada: Person, gpu: StandIn, picture: bytes, kind: str
) -> None:
    assert error_of(await send(http, ada, THUMBNAIL, picture, kind)) == (422, "image_invalid", "image")
    assert bool(gpu.asked("image-")) == (NOT_AN_IMAGE in picture)  # api-gpu is not woken for what we can see ourselves


@pytest.mark.parametrize("make", [png, jpeg, webp])
async def test_a_bomb_is_refused_before_it_is_decoded(
    http: httpx.AsyncClient, ada: Person, gpu: StandIn, make: Any
) -> None:
    bomb = make(16_000, 16_000)
    assert len(bomb) < 200
    answer = await send(http, ada, THUMBNAIL, bomb, f"image/{make.__name__}")
    assert error_of(answer) == (422, "image_too_large", "image")
    assert answer.json()["error"]["details"] == {"width": 16_000, "height": 16_000}
    assert gpu.asked("image-") == []


async def test_more_than_ten_megabytes_are_refused(http: httpx.AsyncClient, ada: Person) -> None:
    at_most = png() + b"\x00" * (10 * 1024 * 1024 - len(png()))
    assert (await send(http, ada, HASH, at_most)).status_code == 200
    for more in (1, 8 * 1024 * 1024):
        assert error_of(await send(http, ada, HASH, at_most + b"\x00" * more))[:2] == (413, "body_too_large")


@pytest.mark.parametrize(
    ("query", "field"),
    [({"width": 0}, "width"), ({"height": 4000}, "height"), ({"format": "gif"}, "format"), ({"x": 1}, "x")],
)
async def test_a_size_or_format_that_is_not_made_is_refused(
    http: httpx.AsyncClient, ada: Person, query: dict[str, Any], field: str
) -> None:
    assert error_of(await send(http, ada, THUMBNAIL, png(), **query)) == (422, "validation_failed", field)


async def test_the_body_must_be_a_form_with_a_picture(http: httpx.AsyncClient, ada: Person) -> None:
    answer = await http.post(HASH, json={"image": "x"}, headers=ada.headers)
    assert error_of(answer)[:2] == (415, "unsupported_media_type")
    answer = await http.post(HASH, files={"other": ("x", b"x")}, headers=ada.headers)
    assert error_of(answer)[:2] == (422, "validation_failed")
    broken = {**ada.headers, "Content-Type": "multipart/form-data"}
    answer = await http.post(HASH, content=b"no boundary", headers=broken)
    assert error_of(answer)[:2] == (400, "bad_request")


async def test_api_gpu_away_is_a_503(http: httpx.AsyncClient, ada: Person, gpu: StandIn) -> None:
    gpu.mood.cannot_start = True
    answer = await send(http, ada, THUMBNAIL, png())
    assert error_of(answer)[:2] == (503, "gpu_unavailable")
    assert int(answer.headers["Retry-After"]) >= 1


async def test_without_api_gpu_no_picture_is_taken(client: httpx.AsyncClient, ada: Person) -> None:
    assert error_of(await send(client, ada, HASH, png()))[:2] == (503, "gpu_unavailable")


async def test_nobody_without_a_token_is_served(http: httpx.AsyncClient) -> None:
    answer = await http.post(HASH, files={"image": ("picture", png(), "image/png")})
    assert error_of(answer)[:2] == (401, "unauthenticated")


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\x00\x00\x00\x00WEBP", png()[:16], jpeg()[:12]]),
    st.binary(max_size=80),
)
def test_any_bytes_are_either_a_picture_within_the_limit_or_refused(beginning: bytes, rest: bytes) -> None:
    with suppress(ImageInvalid, ImageTooLarge):
        assert inspect(beginning + rest, "") in ImageFormat
