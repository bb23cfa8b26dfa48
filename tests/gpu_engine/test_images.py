"""Thumbnails, normalized pixels and hashes are what Pillow and numpy make of the same pictures."""

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps

from api_gpu.engine import Engine
from tests.gpu_engine.asking import column
from tests.gpu_engine.pictures import decoded, encoded, photo

MEAN, DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


async def thumbnails(
    engine: Engine, *contents: bytes, size: tuple[int, int] = (64, 64), file_format: str = "png"
) -> list[bytes]:
    inputs = {
        "image": column(contents),
        "size": np.full((len(contents), 2), size, np.int32),
        "format": column([file_format] * len(contents)),
    }
    answer = await engine.infer("image-thumbnail", None, inputs)
    return [bytes(element) for element in answer.outputs["thumbnail"]]


async def thumbnail(engine: Engine, content: bytes, **options: Any) -> Image.Image:
    return decoded((await thumbnails(engine, content, **options))[0])


async def hashes(engine: Engine, *contents: bytes) -> list[str]:
    answer = await engine.infer("image-hash", None, {"image": column(contents)})
    return [element.decode() for element in answer.outputs["hash"]]


async def normalized(engine: Engine, *contents: bytes) -> NDArray[np.float32]:
    answer = await engine.infer("image-normalize", None, {"image": column(contents)})
    return np.asarray(answer.outputs["image"])


def difference(one: Image.Image, other: Image.Image) -> int:
    """The largest, of any channel of any pixel."""
    assert (one.size, one.mode) == (other.size, other.mode)
    return int(np.abs(np.asarray(one).astype(int) - np.asarray(other).astype(int)).max())


@pytest.mark.parametrize("size", [(64, 64), (100, 20), (7, 500), (1, 1)], ids=str)
@pytest.mark.parametrize("shape", [(320, 200), (31, 77)], ids=str)
async def test_thumbnails_are_pillows(engine: Engine, shape: tuple[int, int], size: tuple[int, int]) -> None:
    image = photo(*shape)
    made = await thumbnail(engine, encoded(image), size=size)
    scale = min(size[0] / shape[0], size[1] / shape[1], 1)
    expected = max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))
    assert difference(made, image.resize(expected, Image.Resampling.BICUBIC)) <= 1


async def test_fine_patterns_do_not_alias(engine: Engine) -> None:
    checks = Image.fromarray((np.indices((512, 512)).sum(axis=0) % 2 * 255).astype(np.uint8)).convert("RGB")
    made = np.asarray(await thumbnail(engine, encoded(checks), size=(50, 50)))
    assert made.min() > 120
    assert made.max() < 135


async def test_a_small_picture_is_not_enlarged(engine: Engine) -> None:
    image = photo(20, 10)
    assert difference(await thumbnail(engine, encoded(image)), image) == 0


@pytest.mark.parametrize("file_format", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("source", ["PNG", "JPEG", "WEBP"])
async def test_every_format_goes_in_and_out(engine: Engine, source: str, file_format: str) -> None:
    made = await thumbnail(engine, encoded(photo(), source, quality=95), file_format=file_format)
    assert (made.format, made.size) == (file_format.upper(), (64, 40))
    assert difference(made.convert("RGB"), photo().resize((64, 40), Image.Resampling.BICUBIC)) < 60


async def test_pictures_of_one_request_may_all_differ(engine: Engine) -> None:
    shapes = [(320, 200), (31, 77), (320, 200), (200, 320)]
    made = await thumbnails(engine, *(encoded(photo(*shape)) for shape in shapes))
    assert [decoded(content).size for content in made] == [(64, 40), (26, 64), (64, 40), (40, 64)]


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
async def test_the_orientation_is_honoured(engine: Engine, orientation: int, file_format: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = encoded(photo(), file_format, exif=exif, **({"lossless": True} if file_format == "WEBP" else {}))
    upright = ImageOps.exif_transpose(decoded(turned))
    made = await thumbnail(engine, turned, size=upright.size)
    assert made.size == ((320, 200) if orientation < 5 else (200, 320))
    assert difference(made, upright.convert("RGB")) == 0
    assert 0x0112 not in made.getexif()


async def test_damaged_metadata_are_no_matter(engine: Engine) -> None:
    content = encoded(photo(), "JPEG", exif=b"Exif\0\0garbage" * 3)
    assert (await thumbnail(engine, content)).size == (64, 40)


async def test_transparency_is_kept_and_does_not_bleed(engine: Engine) -> None:
    """Black, invisible pixels beside white ones: no grey may come of them."""
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[:, 33:] = 255
    content = encoded(Image.fromarray(pixels))
    made = np.asarray(await thumbnail(engine, content, size=(16, 16)))
    seen = made[..., 3] > 8
    assert made[~seen][:, 3].max() <= 8
    assert made[seen][:, :3].min() >= 235
    opaque = await thumbnail(engine, content, size=(16, 16), file_format="jpeg")
    assert np.asarray(opaque).min() > 235  # on white


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "1", "I;16"])
async def test_every_kind_of_pixel_is_understood(engine: Engine, mode: str) -> None:
    grey = np.asarray(photo(mode="L")).astype(np.uint16)
    image = Image.fromarray(grey * 257) if mode == "I;16" else photo(mode=mode)
    content = encoded(image, "JPEG" if mode == "CMYK" else "PNG")
    expected = photo(mode="L") if mode == "I;16" else decoded(content)
    made = (await thumbnail(engine, content, size=image.size)).convert("RGB")
    assert difference(made, expected.convert("RGB")) <= 1


async def test_a_palette_with_a_transparent_colour_stays_transparent(engine: Engine) -> None:
    content = encoded(photo(mode="P"), transparency=0)
    assert (await thumbnail(engine, content, size=(320, 200))).mode == "RGBA"


async def test_the_colour_profile_stays_and_the_place_where_it_was_taken_does_not(engine: Engine) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif.get_ifd(0x8825)[1] = "N"  # GPS
    exif[0x010F] = "a camera"
    content = encoded(photo(), "JPEG", icc_profile=profile, exif=exif)
    for file_format in ("png", "jpeg", "webp"):
        made = await thumbnail(engine, content, file_format=file_format)
        assert made.info["icc_profile"] == profile
        assert dict(made.getexif()) == {}


async def test_a_large_jpeg_is_decoded_small(engine: Engine) -> None:
    content = encoded(photo(2400, 1600), "JPEG", quality=95)
    made = await thumbnail(engine, content, size=(150, 150))
    assert difference(made, photo(2400, 1600).resize((150, 100), Image.Resampling.BICUBIC)) < 30


@pytest.mark.parametrize("shape", [(320, 200), (200, 320), (256, 256), (64, 48), (500, 3), (1, 1)], ids=str)
async def test_normalized_pixels_are_the_scaled_middle(engine: Engine, shape: tuple[int, int]) -> None:
    image = photo(*shape)
    (made,) = await normalized(engine, encoded(image))
    side = max(1, min(shape) * 224 // 256)
    left, top = (shape[0] - side) // 2, (shape[1] - side) // 2
    middle = image.crop((left, top, left + side, top + side)).resize((224, 224), Image.Resampling.BILINEAR)
    expected = ((np.asarray(middle) / 255 - MEAN) / DEVIATION).transpose(2, 0, 1)
    assert made.shape == (3, 224, 224)
    assert np.abs(made - expected).max() <= 1.01 / 255 / DEVIATION.min()


def perceptual_hash(image: Image.Image) -> str:
    """The algorithm as the package imagehash has it: DCT of a 32 by 32 picture, 64 lowest frequencies, median."""
    levels = np.asarray(image.convert("L").resize((32, 32), Image.Resampling.BICUBIC)).astype(float)
    place = np.arange(32)
    cosines = np.cos(np.pi * np.outer(place, 2 * place + 1) / 64)
    low = (cosines @ levels @ cosines.T)[:8, :8]
    bits = (low > np.median(low)).flatten()
    return f"{int(''.join('01'[int(bit)] for bit in bits), 2):016x}"


def distance(one: str, other: str) -> int:
    return (int(one, 16) ^ int(other, 16)).bit_count()


@pytest.mark.parametrize("shape", [(320, 200), (33, 90), (32, 32), (5, 5)], ids=str)
async def test_hashes_are_those_of_the_algorithm(engine: Engine, shape: tuple[int, int]) -> None:
    image = photo(*shape)
    (made,) = await hashes(engine, encoded(image))
    assert len(made) == 16
    assert distance(made, perceptual_hash(image)) <= 1  # a coefficient may lie on the median


async def test_alike_pictures_have_alike_hashes_and_others_do_not(engine: Engine) -> None:
    image = photo()
    variants = [
        encoded(image),
        encoded(image, "JPEG", quality=30),
        encoded(image.resize((160, 100)), "WEBP"),
        encoded(image.point([min(255, level + 12) for level in range(256)] * 3)),
        encoded(ImageOps.mirror(image)),
        encoded(Image.effect_noise((300, 300), 90).convert("RGB")),
    ]
    first, *others = await hashes(engine, *variants)
    assert [distance(first, other) <= 6 for other in others] == [True, True, True, False, False]


async def test_the_hash_of_one_colour_is_no_noise(engine: Engine) -> None:
    plain = [encoded(Image.new("RGB", size, "teal")) for size in ((40, 40), (90, 31), (301, 77))]
    assert await hashes(engine, *plain) == ["8000000000000000"] * 3


async def test_the_same_picture_has_the_same_hash_alone_and_in_a_batch(engine: Engine) -> None:
    contents = [encoded(photo()), encoded(ImageOps.mirror(photo())), encoded(ImageOps.flip(photo()))]
    assert await hashes(engine, *contents) == [(await hashes(engine, content))[0] for content in contents]
    assert len(set(await hashes(engine, *contents))) == 3


def test_pillow_is_as_expected() -> None:
    """The fixtures are real pictures."""
    assert Image.open(io.BytesIO(encoded(photo(), "WEBP"))).size == (320, 200)
