"""Personal token to principal: looked up by digest, and remembered for a short time."""

import time
from hashlib import sha256
from uuid import UUID

from cachetools import LRUCache, TTLCache

from api_main.auth.errors import InvalidToken
from api_main.auth.personal_tokens import repository
from api_main.auth.personal_tokens.repository import Grant
from api_main.auth.principal import Principal, claims_for_postgres
from api_main.core.database import Database
from api_main.core.prelude import Identity

PREFIX = "pat_"
ROLE = "authenticated"
NEVER = 2**62
NOBODY = Identity("anon")
REMEMBERED_TOKENS = 10_000


class PersonalTokenVerifier:
    """Turns a personal access token into its owner, with no more than its scopes."""

    def __init__(self, database: Database, *, remembered_seconds: float) -> None:
        """A revoked token, or one whose owner is banned, is refused after this time at the latest."""
        self._database = database
        self._known: TTLCache[str, Principal] = TTLCache(REMEMBERED_TOKENS, remembered_seconds)
        self._owners: LRUCache[str, UUID] = LRUCache(REMEMBERED_TOKENS)

    async def verify(self, token: str) -> Principal:
        """The principal of a token.

        Raises:
            InvalidToken: unknown, revoked or expired, or its owner may not sign in.
        """
        digest = digest_of(token)
        known = self._known.get(digest)
        if known is not None and known.expires_at > time.time():
            return known
        async with self._database.session(NOBODY) as session:
            found = await repository.use(session, digest)
        if found is None:
            raise InvalidToken
        principal = self._known[digest] = _to_principal(found)
        self._owners[digest] = principal.subject
        return principal

    def owner_of(self, token: str) -> UUID | None:
        """Who used this token before, whatever has become of it since. It lets nobody in."""
        return self._owners.get(digest_of(token))


def digest_of(token: str) -> str:
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _to_principal(grant: Grant) -> Principal:
    owner = str(grant.owner_id)
    about_token = {"token_id": str(grant.token_id), "scopes": grant.scopes}
    claims = {"sub": owner, "role": ROLE, "aud": ROLE, **about_token}
    return Principal(
        subject=grant.owner_id,
        role=ROLE,
        session=None,
        issuer=PREFIX,
        expires_at=int(grant.expires_at.timestamp()) if grant.expires_at else NEVER,
        claims=claims,
        identity=Identity(ROLE, claims_for_postgres(claims)),
        scopes=frozenset(grant.scopes),
    )
