"""A sign-up with a key: whoever sends it has no identity yet, and is known by the key alone."""

from dataclasses import dataclass
from uuid import UUID

from fastapi import Response, status

from api_main.auth.user_object import Tokens, UserObject
from api_main.core.database import RlsSession
from api_main.core.envelope import Success
from api_main.idempotency import repository
from api_main.idempotency.service import Asked


@dataclass(frozen=True, slots=True)
class SignUpOnce:
    """See `auth.once.Once`. Both calls are made as `auth_admin`."""

    asked: Asked

    async def claim(self, session: RlsSession) -> None:
        """
        Raises:
            AnsweredBefore, RequestRunning, IdempotencyKeyReused
        """
        self.asked.settle(await repository.claim_sign_up(session, self.asked.key.digest))

    async def keep(self, session: RlsSession, owner: UUID | None, answer: Tokens | UserObject) -> None:
        key = self.asked.key
        body = Success(data=answer).model_dump_json()
        sealed = key.seal(Response(body, status.HTTP_201_CREATED, media_type="application/json"))
        await repository.keep_sign_up(session, owner, key.digest, self.asked.digest, sealed)
