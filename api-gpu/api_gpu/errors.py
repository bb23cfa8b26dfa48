"""Every way in which a request can fail: one class each, with its HTTP status and a sentence for the caller."""

from typing import ClassVar


class GpuError(Exception):
    """A failure that the caller is told about.

    Attributes:
        retry_after: seconds after which trying again makes sense, for the header `Retry-After`.
    """

    status: ClassVar[int] = 500
    retry_after: int | None = None

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidRequest(GpuError):
    """The request does not follow its protocol."""

    status = 400


class InvalidInput(GpuError):
    """The request is well-formed, and its tensors are not what the model takes."""

    status = 400


class NotReady(GpuError):
    """A server or a model that does not serve yet. The Open Inference Protocol answers a question for it with 4xx."""

    status = 400


class Unauthorized(GpuError):
    """No service token, or one that is not good for this request."""

    status = 401


class ModelNotFound(GpuError):
    """There is no such model, or no such version of it."""

    status = 404


class BodyTooLarge(GpuError):
    """The body is longer than MAX_BODY_BYTES, as it came or when unpacked."""

    status = 413


class UnknownCoding(GpuError):
    """The body is packed in a way that is not read here."""

    status = 415


class QueueFull(GpuError):
    """The model's queue holds as many inputs as it may."""

    status = 429

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class CallerGone(GpuError):
    """Nobody reads the answer any more. The status is nginx's, for our log."""

    status = 499


class ModelUnavailable(GpuError):
    """The model is there and cannot be loaded; the message says why."""

    status = 503


class DeadlineExceeded(GpuError):
    """The caller does not wait any longer."""

    status = 504
