"""What goes over the wire about pictures."""

from enum import StrEnum

from pydantic import BaseModel, Field

from api_main.core.fields import Strict


class ImageFormat(StrEnum):
    PNG = "png"
    JPEG = "jpeg"
    WEBP = "webp"


class ThumbnailQuery(Strict):
    width: int = Field(default=256, ge=1, le=2048, description="At most so wide, in pixels; proportions are kept")
    height: int = Field(default=256, ge=1, le=2048, description="At most so high, in pixels")
    format: ImageFormat = Field(default=ImageFormat.WEBP, description="Of the thumbnail")


class ImageHash(BaseModel):
    hash: str = Field(
        pattern="^[0-9a-f]{16}$",
        description="64 bits of what the picture looks like, in hex: similar pictures differ in few of them",
        examples=["c3d1b8a49c96e1e0"],
    )
