"""A request with a key: done once, and answered as often as it is sent."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from api_main.auth.principal import Principal
from api_main.core.database import RlsSession
from api_main.idempotency import repository
from api_main.idempotency.errors import IdempotencyKeyReused, RequestRunning
from api_main.idempotency.keys import Key
from api_main.idempotency.repository import Claim

REPLAYED = "Idempotency-Replayed"


class AnsweredBefore(Exception):
    """This request has been answered; `IdempotentRoute` answers it again."""

    def __init__(self, response: Response) -> None:
        self.response = response


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for, and the key that it came with."""

    key: Key
    digest: bytes

    def settle(self, claim: Claim) -> None:
        """Let nobody go on but the first.

        Raises:
            AnsweredBefore, RequestRunning, IdempotencyKeyReused
        """
        if not claim.is_claimed:
            raise RequestRunning
        if claim.answer is None:
            return
        if claim.request_digest != self.digest:
            raise IdempotencyKeyReused
        raise AnsweredBefore(_replayed(self.key.open(claim.answer)))


@dataclass(frozen=True, slots=True)
class Attempt:
    """The one request of all with this key that is being done."""

    session: RlsSession
    asked: Asked

    async def keep(self, response: Response) -> None:
        """Have the answer stored in the transaction that has done the work."""
        key = self.asked.key
        await repository.keep(self.session, key.digest, self.asked.digest, key.seal(response))


async def begin(session: RlsSession, principal: Principal, request: Request, secret: str) -> Attempt:
    """Claim the key for this request.

    Raises:
        AnsweredBefore, RequestRunning, IdempotencyKeyReused
    """
    asked = await read(request, secret, str(principal.claims.get("token_id", "")))
    asked.settle(await repository.claim(session, asked.key.digest))
    return Attempt(session, asked)


async def read(request: Request, secret: str, token_id: str = "") -> Asked:
    """`token_id` is that of the personal access token in use."""
    key = Key(secret, request.method, request.scope["path"], token_id)
    media_type = request.headers.get("content-type", "").encode()
    return Asked(key, key.request_digest(request.scope["query_string"], media_type, await request.body()))


async def sweep(session: RlsSession) -> int:
    """Delete every answer that has expired, as a worker. How many those were."""
    return await repository.sweep(session)


def _replayed(response: Response) -> Response:
    response.headers[REPLAYED] = "true"
    return response
