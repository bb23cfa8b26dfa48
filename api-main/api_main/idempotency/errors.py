"""What can be wrong with an `Idempotency-Key`."""

from api_main.core.errors import RETRY_SECONDS, BadRequest, Conflict, ValidationFailed


class InvalidIdempotencyKey(BadRequest):
    code, message = "invalid_idempotency_key", "An Idempotency-Key has 1 to 255 visible ASCII characters."

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message, field="Idempotency-Key")


class RequestRunning(Conflict):
    code, message = "request_running", "The request with this Idempotency-Key is still running. Try again soon."

    def __init__(self) -> None:
        super().__init__(field="Idempotency-Key", headers={"Retry-After": str(RETRY_SECONDS)})


class IdempotencyKeyReused(ValidationFailed):
    code, message = "idempotency_key_reused", "This Idempotency-Key was used for another request."

    def __init__(self) -> None:
        super().__init__(field="Idempotency-Key")


KEY_ERRORS = (InvalidIdempotencyKey, RequestRunning, IdempotencyKeyReused)
"""What any route that takes a key may answer."""
