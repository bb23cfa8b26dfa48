"""Key rotation as Supabase prescribes it, played minute by minute (https://supabase.com/docs/guides/auth/signing-keys).

A new key is published (standby), signs (in use), no longer signs (previously used), and is gone (revoked).
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any
from uuid import uuid4

import cashews.backends.memory
import httpx
import jwt.api_jwt
import pytest
import respx

from api_main.auth import keys, verifier
from api_main.auth.errors import InvalidToken
from api_main.auth.generate import generate_signing_key
from api_main.auth.issuers import configured_issuers
from api_main.auth.keys import FRESH_SECONDS
from api_main.auth.verifier import LEEWAY_SECONDS, TokenVerifier
from api_main.core import cache
from api_main.core.cache import Cache
from api_main.core.settings import Settings
from tests.supabase_mode import project

MINUTE = 60
LIFETIME = 60 * MINUTE  # of an access token
EDGE_SECONDS = 600  # that Supabase's edge keeps the key set
MARGIN = 15 * MINUTE  # "access token expiry + 15 minutes" before a previously used key is revoked
DOCUMENTED = FRESH_SECONDS + EDGE_SECONDS  # see `RemoteKeys`
LEGACY_SECRET = "the-legacy-secret-of-this-project-in-use-for-years"

HS256: dict[str, Any] = {"alg": "HS256"}
FIRST, SECOND = generate_signing_key(), generate_signing_key()


@dataclass
class Calendar:
    """Stands in for the module `time`, and for the `datetime` of PyJWT."""

    now: float = 1_800_000_000.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def calendar(monkeypatch: pytest.MonkeyPatch) -> Calendar:
    calendar = Calendar()

    class Today(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Today":
            return cls.fromtimestamp(calendar.now, tz)

    for module in (keys, verifier, cache, cashews.backends.memory):
        monkeypatch.setattr(module, "time", calendar)
    monkeypatch.setattr(jwt.api_jwt, "datetime", Today)
    return calendar


@dataclass
class Project:
    """Signs with one key, publishes a few, and has an edge in front that is up to ten minutes behind."""

    calendar: Calendar
    in_use: Any = field(default_factory=lambda: HS256)
    published: list[Any] = field(default_factory=list)
    _edge: tuple[float, Any] = (0.0, None)

    def issue(self, key: Any = None) -> str:
        key = key or self.in_use
        now = int(self.calendar.now)
        if key is HS256:
            claims = {"iss": project.AUTH, "sub": str(uuid4()), "aud": "authenticated", "role": "authenticated"}
            return jwt.encode({**claims, "iat": now, "exp": now + LIFETIME}, LEGACY_SECRET, "HS256")
        return project.token(uuid4(), uuid4(), key=key, iat=now, exp=now + LIFETIME)

    def answer(self, _request: httpx.Request) -> httpx.Response:
        fetched, document = self._edge
        if document is None or self.calendar.now - fetched >= EDGE_SECONDS:
            self._edge = self.calendar.now, project.jwks(*self.published)
        return httpx.Response(200, json=self._edge[1])


@pytest.fixture
def played(calendar: Calendar, supabase: respx.MockRouter) -> Project:
    played = Project(calendar)
    supabase.get("/.well-known/jwks.json").mock(side_effect=played.answer)
    return played


class Deployment:
    """The API's verifier for as long as its settings stay what they are; and every good token there is."""

    def __init__(self, played: Project, client: httpx.AsyncClient) -> None:
        self._played = played
        self._client = client
        self._living: list[tuple[float, str]] = []
        self.verified = 0

    def start(self, secret: str | None) -> None:
        settings = Settings(
            _env_file=None,
            database_url="postgresql://localhost/postgres",
            supabase_url=project.URL,
            supabase_publishable_key=project.PUBLISHABLE_KEY,
            supabase_jwt_secret=secret,
        )
        self.verifier = TokenVerifier()
        for issuer in configured_issuers(settings, None, self._client, Cache(), self.verifier.flush):
            self.verifier.trust(issuer)

    async def pass_minutes(self, minutes: int) -> None:
        """Somebody signs in each minute, and everybody who ever did comes by."""
        for _ in range(minutes):
            self._living.append((self._played.calendar.now + LIFETIME, self._played.issue()))
            self._living = [(end, token) for end, token in self._living if end > self._played.calendar.now]
            for _end, token in self._living:
                await self.verifier.verify(token)
                self.verified += 1
            self._played.calendar.now += MINUTE

    async def seconds_until_refused(self, token: str) -> float:
        """How long a token is accepted from now on, while everybody else goes on as ever."""
        began = self._played.calendar.now
        while self._played.calendar.now - began <= LIFETIME + LEEWAY_SECONDS:
            try:
                await self.verifier.verify(token)
            except InvalidToken:
                return self._played.calendar.now - began
            await self.pass_minutes(1)
        raise AssertionError("it expired by itself")


@pytest.fixture
async def deployment(played: Project) -> AsyncIterator[Deployment]:
    async with httpx.AsyncClient() as client:
        deployment = Deployment(played, client)
        deployment.start(LEGACY_SECRET)
        yield deployment


def test_the_calendar_is_what_pyjwt_goes_by(calendar: Calendar) -> None:
    assert vars(jwt.api_jwt)["datetime"].now(UTC).timestamp() == calendar.now


async def test_no_good_token_is_refused_at_any_step_and_a_revoked_key_soon_is(
    played: Project, deployment: Deployment
) -> None:
    # From the legacy secret to ES256.
    await deployment.pass_minutes(70)
    played.published = [FIRST]  # standby
    await deployment.pass_minutes(int(DOCUMENTED / MINUTE))
    played.in_use = FIRST  # the secret is previously used
    await deployment.pass_minutes((LIFETIME + MARGIN) // MINUTE)
    stolen = played.issue(HS256)
    await deployment.verifier.verify(stolen)
    deployment.start(None)  # revoked: SUPABASE_JWT_SECRET is taken out of the settings
    assert await deployment.seconds_until_refused(stolen) == 0
    await deployment.pass_minutes(30)

    # From one ES256 key to the next.
    played.published = [FIRST, SECOND]
    await deployment.pass_minutes(int(DOCUMENTED / MINUTE))
    played.in_use = SECOND
    await deployment.pass_minutes((LIFETIME + MARGIN) // MINUTE)
    stolen = played.issue(FIRST)
    await deployment.verifier.verify(stolen)
    played.published = [SECOND]  # revoked
    assert 0 < await deployment.seconds_until_refused(stolen) <= DOCUMENTED
    with pytest.raises(InvalidToken):
        await deployment.verifier.verify(played.issue(FIRST))
    await deployment.pass_minutes(70)
    assert deployment.verified > 10_000


async def test_a_key_that_signs_too_early_is_found_as_soon_as_the_edge_shows_it(
    played: Project, deployment: Deployment
) -> None:
    """Which is why there is a standby."""
    played.published = [FIRST]
    played.in_use = FIRST
    await deployment.pass_minutes(5)
    played.published = [FIRST, SECOND]
    early = played.issue(SECOND)
    refused = 0
    for _ in range(EDGE_SECONDS // MINUTE + 1):
        try:
            await deployment.verifier.verify(early)
            break
        except InvalidToken:
            refused += 1
        await deployment.pass_minutes(1)
    assert 0 < refused <= EDGE_SECONDS // MINUTE
