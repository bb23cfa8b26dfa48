"""What can be wrong with work for api-gpu."""

import math
from typing import Any

from api_main.core.errors import NotFound, ServiceUnavailable, ValidationFailed


class GpuUnavailable(ServiceUnavailable):
    """api-gpu is away, cannot start, is still starting, or is too busy: not now, perhaps soon."""

    code, message = "gpu_unavailable", "This needs a service that is starting or away. Try again soon."

    def __init__(self, message: str | None = None, *, details: Any = None, retry_after: float = 1) -> None:
        super().__init__(message, details=details, retry_after=max(1, math.ceil(retry_after)))


class ModelNotFound(NotFound):
    code, message = "model_not_found", "There is no such model."


class InferenceRefused(ValidationFailed):
    """The model cannot take this input; the message is api-gpu's own sentence."""

    code, message = "inference_refused", "The model cannot take this input."
