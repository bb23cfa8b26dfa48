"""`/api/v1/inference/{model}`: tensors for any model of api-gpu, passed on as they are."""

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response

from api_main.auth.dependencies import superuser_for
from api_main.auth.scopes import Scope
from api_main.core.errors import UnsupportedMediaType
from api_main.core.limits.declarations import shared_limit
from api_main.gpu.dependencies import CurrentGpu
from api_main.inference.document import ANSWER, REQUEST
from service_wire.headers import HEADER_LENGTH

router = APIRouter(prefix="/inference", tags=["inference"])

ModelName = Annotated[str, Path(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", description="As in api-gpu's repository")]
ModelVersion = Annotated[
    str | None, Query(pattern="^[0-9]{1,9}$", description="Without one, the newest that api-gpu has")
]
JsonLength = Annotated[
    int | None,
    Header(alias=HEADER_LENGTH, ge=0, description="With `application/octet-stream`: how long the JSON is"),
]

MEDIA_TYPES = ("application/json", "application/octet-stream")


@router.post(
    "/{model}",
    summary="Run any model of api-gpu",
    description="For superusers, in person or by a token with the scope.",
    dependencies=[superuser_for(Scope.INFERENCE_RUN)],
    response_class=Response,
    responses=ANSWER,
    openapi_extra=REQUEST,
)
@shared_limit("60/minute", scope="inference")
async def infer(
    model: ModelName,
    gpu: CurrentGpu,
    request: Request,
    version: ModelVersion = None,
    json_length: JsonLength = None,
) -> Response:
    headers = {"Content-Type": _media_type(request)}
    if json_length is not None:
        headers[HEADER_LENGTH] = str(json_length)
    path = model if version is None else f"{model}/versions/{version}"
    answer = await gpu.forward(path, await request.body(), headers, gpu.deadline())
    passed_on = {name: answer.headers[name] for name in ("Content-Type", HEADER_LENGTH) if name in answer.headers}
    return Response(answer.content, headers=passed_on)


def _media_type(request: Request) -> str:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in MEDIA_TYPES:
        raise UnsupportedMediaType("Send application/json or application/octet-stream, and say so in Content-Type.")
    return media_type
