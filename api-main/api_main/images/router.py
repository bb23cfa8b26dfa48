"""`/api/v1/images`: a picture in, and the answer at once."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, Query, Request, Response, Security, UploadFile

from api_main.auth.dependencies import CALLER, get_principal
from api_main.auth.scopes import Scope
from api_main.core.envelope import Success
from api_main.core.errors import BodyTooLarge, UnsupportedMediaType
from api_main.core.limits.declarations import shared_limit
from api_main.core.openapi import BODY, errors
from api_main.gpu.dependencies import CurrentGpu
from api_main.gpu.errors import GpuUnavailable, ModelNotFound
from api_main.images import service
from api_main.images.errors import ImageInvalid, ImageTooLarge
from api_main.images.inspection import inspect
from api_main.images.schemas import ImageFormat, ImageHash, ThumbnailQuery

MOST_BYTES = 10 * 1024 * 1024

ERRORS = errors(*CALLER, *BODY, ImageInvalid, ImageTooLarge, ModelNotFound, GpuUnavailable)
PICTURE: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
THUMBNAIL: dict[int | str, dict[str, Any]] = {
    **ERRORS,
    200: {"description": "The thumbnail", "content": {f"image/{form}": PICTURE for form in ImageFormat}},
}
EXAMPLE: dict[str, Any] = {
    "requestBody": {"content": {"multipart/form-data": {"examples": {"a file": {"value": {"image": "@holiday.jpg"}}}}}}
}


async def require_multipart(request: Request) -> None:
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise UnsupportedMediaType("Send multipart/form-data, and say so in Content-Type.")


router = APIRouter(
    prefix="/images",
    tags=["images"],
    dependencies=[Security(get_principal, scopes=[Scope.IMAGES_PROCESS]), Depends(require_multipart)],
)

Picture = Annotated[UploadFile, File(description="PNG, JPEG or WebP, at most 10 MB and 40 megapixels")]


async def read_picture(image: Picture) -> bytes:
    if (image.size or 0) > MOST_BYTES:
        raise BodyTooLarge("The image must not exceed 10 MB.")
    picture = await image.read()
    inspect(picture, (image.content_type or "").partition(";")[0].strip().lower())
    return picture


CheckedPicture = Annotated[bytes, Depends(read_picture)]


@router.post(
    "/thumbnail",
    summary="Make a picture smaller",
    response_class=Response,
    responses=THUMBNAIL,
    openapi_extra=EXAMPLE,
)
@shared_limit("30/minute", scope="images")
async def create_thumbnail(
    picture: CheckedPicture, wanted: Annotated[ThumbnailQuery, Query()], gpu: CurrentGpu
) -> Response:
    return Response(await service.thumbnail(gpu, picture, wanted), media_type=f"image/{wanted.format}")


@router.post("/hash", summary="Tell what a picture looks like", responses=ERRORS, openapi_extra=EXAMPLE)
@shared_limit("30/minute", scope="images")
async def hash_image(picture: CheckedPicture, gpu: CurrentGpu) -> Success[ImageHash]:
    return Success(data=ImageHash(hash=await service.perceptual_hash(gpu, picture)))
