"""Who may ask. Health and metrics anybody; everything else needs a service token for exactly this request."""

from starlette.types import ASGIApp, Receive, Scope, Send

from api_gpu.error_answers import answer
from api_gpu.errors import Unauthorized
from service_wire.service_token import ServiceTokenRefused, ServiceTokenVerifier, subject_of

OPEN_PATHS = frozenset({"/health", "/health/live", "/health/ready", "/v2/health/live", "/v2/health/ready", "/metrics"})


class Authorization:
    """ASGI middleware that lets only those through who have a token. It reads nothing of the others' bodies."""

    def __init__(self, app: ASGIApp, verifier: ServiceTokenVerifier) -> None:
        self.app = app
        self.verifier = verifier

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS:
            await self.app(scope, receive, send)
            return
        try:
            self._check(scope)
        except Unauthorized as error:
            await answer(scope, error)(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        scheme, _, token = given[0].partition(b" ") if len(given) == 1 else (b"", b"", b"")
        if scheme.lower() != b"bearer":
            raise Unauthorized("A service token is required.")
        subject = subject_of(scope["method"], scope["raw_path"].decode("latin-1"))
        try:
            self.verifier.verify(token.strip().decode("latin-1"), subject)
        except ServiceTokenRefused:
            raise Unauthorized("The service token is not good for this request.") from None
