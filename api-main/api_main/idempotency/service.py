"""A request with a key: done once, and answered as often as it is sent."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from api_main.auth.principal import Principal
from api_main.core.database import RlsSession
from api_main.idempotency import repository
from api_main.idempotency.errors import IdempotencyKeyReused, RequestRunning
from api_main.idempotency.keys import Key

REPLAYED = "Idempotency-Replayed"


class AnsweredBefore(Exception):
    """This request has been answered; `IdempotentRoute` answers it again."""

    def __init__(self, response: Response) -> None:
        self.response = response


@dataclass(frozen=True, slots=True)
class Attempt:
    """The one request of all with this key that is being done."""

    session: RlsSession
    key: Key
    request_digest: bytes

    async def keep(self, response: Response) -> None:
        """Have the answer stored in the transaction that has done the work."""
        await repository.keep(self.session, self.key.digest, self.request_digest, self.key.seal(response))


async def begin(session: RlsSession, principal: Principal, request: Request, secret: str) -> Attempt:
    """Claim the key for this request.

    Raises:
        AnsweredBefore, RequestRunning, IdempotencyKeyReused
    """
    key = Key(secret, request.method, request.scope["path"], str(principal.claims.get("token_id", "")))
    media_type = request.headers.get("content-type", "").encode()
    digest = key.request_digest(request.scope["query_string"], media_type, await request.body())
    claim = await repository.claim(session, key.digest)
    if not claim.is_claimed:
        raise RequestRunning
    if claim.answer is None:
        return Attempt(session, key, digest)
    if claim.request_digest != digest:
        raise IdempotencyKeyReused
    raise AnsweredBefore(_replayed(key.open(claim.answer)))


async def sweep(session: RlsSession) -> int:
    """Delete every answer that has expired, as a worker. How many those were."""
    return await repository.sweep(session)


def _replayed(response: Response) -> Response:
    response.headers[REPLAYED] = "true"
    return response
