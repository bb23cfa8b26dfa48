"""Errors as OpenAI has them (https://platform.openai.com/docs/guides/error-codes), which its clients can read."""

from typing import Any, ClassVar

from api_gpu.errors import GpuError, InvalidRequest, ModelNotFound, QueueFull, Unauthorized

CODES: dict[type[GpuError], tuple[str, str | None]] = {
    ModelNotFound: ("model_not_found", "model"),
    QueueFull: ("rate_limit_exceeded", None),
    Unauthorized: ("invalid_api_key", None),
}


class InvalidParameter(InvalidRequest):
    """A member of the request will not do. `param` names it."""

    code: ClassVar[str] = "invalid_value"

    def __init__(self, param: str, message: str) -> None:
        super().__init__(message)
        self.param = param


def openai_body(error: Exception, status: int, message: str) -> dict[str, Any]:
    """The body of an error's answer."""
    code, param = next((facts for kind, facts in CODES.items() if isinstance(error, kind)), (None, None))
    if isinstance(error, InvalidParameter):
        code, param = error.code, error.param
    kind = "invalid_request_error" if status < 500 else "server_error"
    if status == 429:
        kind = "requests"
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
