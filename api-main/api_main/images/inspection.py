"""What a picture says of itself, read off its first bytes: nothing is decoded, and api-gpu is not woken for rubbish."""

from io import BytesIO

import imagesize  # type: ignore[import-untyped]

from api_main.core.i18n import _
from api_main.images.errors import ImageInvalid, ImageTooLarge
from api_main.images.schemas import ImageFormat

MOST_PIXELS = 40_000_000
SAYS_NOTHING = {"", "application/octet-stream"}


def inspect(picture: bytes, content_type: str) -> ImageFormat:
    """The format of a picture that is small enough to decode.

    Raises:
        ImageInvalid: it is none that we take, or `content_type` says that it is another.
        ImageTooLarge
    """
    form = _format(picture)
    width, height = imagesize.get(BytesIO(picture), exif_rotation=False)
    if form is None or width < 1 or height < 1:
        raise ImageInvalid(field="image")
    if content_type not in SAYS_NOTHING | {f"image/{form}"}:
        raise ImageInvalid(
            _("This is {form}, and not what its Content-Type says.", form=f"image/{form}"), field="image"
        )
    if width * height > MOST_PIXELS:
        raise ImageTooLarge(field="image", details={"width": width, "height": height})
    return form


def _format(picture: bytes) -> ImageFormat | None:
    if picture.startswith(b"\x89PNG\r\n\x1a\n"):
        return ImageFormat.PNG
    if picture.startswith(b"\xff\xd8\xff"):
        return ImageFormat.JPEG
    if picture.startswith(b"RIFF") and picture[8:12] == b"WEBP":
        return ImageFormat.WEBP
    return None
