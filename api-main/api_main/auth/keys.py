"""Where the keys of an issuer come from: our own JWK set, a shared secret, or a JWKS address."""

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from math import ceil
from typing import Any, Protocol, Self

import httpx
import jwt
import structlog
from jwt import PyJWK
from jwt.utils import base64url_encode

from api_main.auth.errors import KeysUnavailable
from api_main.core.cache import Cache

log = structlog.get_logger()

FRESH_SECONDS = 600.0  # as long as Supabase's own edge and clients keep them
COOLDOWN_SECONDS = 30.0
FETCH_SECONDS = 5.0  # in all: an issuer that sends one byte at a time would never run into httpx's own timeout
MAX_JWKS_BYTES = 256 * 1024
ASYMMETRIC = {"ES256": ("EC", "P-256"), "RS256": ("RSA", None)}
THUMBPRINT_MEMBERS = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n"), "oct": ("k", "kty")}


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A key that checks signatures of one algorithm.

    Attributes:
        kid: its name; None matches any, as for a shared secret.
        thumbprint: what tells one key from another (RFC 7638).
    """

    kid: str | None
    algorithm: str
    thumbprint: str
    jwk: PyJWK = field(compare=False, repr=False)

    @classmethod
    def from_jwk(cls, entry: Mapping[str, Any], algorithm: str) -> Self:
        """Take the public part of a JWK.

        Raises:
            ValueError: the key is malformed.
        """
        required = {name: entry.get(name) for name in THUMBPRINT_MEMBERS[entry.get("kty", "")]}
        canonical = json.dumps(required, sort_keys=True, separators=(",", ":"))
        kid = entry.get("kid")
        try:
            jwk = PyJWK.from_dict(required, algorithm)
        except (jwt.PyJWTError, TypeError) as error:
            raise ValueError(str(error)) from error
        return cls(kid if isinstance(kid, str) else None, algorithm, sha256(canonical.encode()).hexdigest(), jwk)


class KeySource(Protocol):
    """The keys of one issuer."""

    fresh_until: float
    """Until when (monotonic clock) an earlier verification still holds."""

    async def find(self, kid: str | None, algorithm: str) -> list[VerificationKey]:
        """The keys that may have signed a token with this header: at most one, if it names a `kid`."""
        ...


class FixedKeys:
    """Keys that are known from the start and hold for the life of the process."""

    fresh_until = float("inf")

    def __init__(self, keys: Iterable[VerificationKey]) -> None:
        self._keys = list(keys)

    async def find(self, kid: str | None, algorithm: str) -> list[VerificationKey]:
        return _matching(self._keys, kid, algorithm)


class RemoteKeys:
    """The keys behind a JWKS address.

    Cached for ten minutes; fetched again for an unknown `kid`, but at most once per cooldown and for all replicas
    together; one fetch at a time; the old keys serve on while the issuer is away. When a key is gone, `on_removal` is
    called. So a key that Supabase revokes is refused within twenty minutes and a cooldown: its edge keeps the set for
    ten, and we do.
    """

    def __init__(self, url: str, client: httpx.AsyncClient, cache: Cache, on_removal: Callable[[], None]) -> None:
        self.fresh_until = 0.0
        self._url = url
        self._client = client
        self._cache = cache
        self._on_removal = on_removal
        self._keys: list[VerificationKey] | None = None
        self._tried_at = float("-inf")
        self._look: asyncio.Task[None] | None = None

    async def find(self, kid: str | None, algorithm: str) -> list[VerificationKey]:
        """See `KeySource.find`.

        Raises:
            KeysUnavailable: the keys of this issuer have never been fetched, and cannot be now.
        """
        if time.monotonic() >= self.fresh_until and not (self._keys and self._look):
            await self._refresh()  # one request waits for news; the others go on with the keys that there are
        if found := _matching(self._keys or (), kid, algorithm):
            return found
        await self._refresh()
        if self._keys is None:
            raise KeysUnavailable(retry_after=ceil(self._tried_at + COOLDOWN_SECONDS - time.monotonic()))
        return _matching(self._keys, kid, algorithm)

    async def _refresh(self) -> None:
        """A look at the issuer's keys, for all who ask: it goes on if the first of them hangs up."""
        if self._look is None:
            if time.monotonic() < self._tried_at + COOLDOWN_SECONDS:
                return  # somebody else has just asked, or the issuer deserves a rest
            self._tried_at = time.monotonic()
            self._look = asyncio.create_task(self._look_for_keys())
            self._look.add_done_callback(self._end_look)
        await asyncio.shield(self._look)

    def _end_look(self, look: asyncio.Task[None]) -> None:
        self._look = None
        with suppress(asyncio.CancelledError):
            look.exception()  # else asyncio complains of it when all who asked have hung up

    async def _look_for_keys(self) -> None:
        try:
            # As long as nobody would ask again by themselves.
            document = await self._cache.get_or_load(
                f"keys {self._url}", COOLDOWN_SECONDS - 1, self._fetch, whose=None, unheard=True
            )
            keys = parse_public_keys(document)
        except (httpx.HTTPError, TimeoutError, ValueError, RecursionError) as error:
            log.warning("jwks_fetch_failed", url=self._url, error=repr(error))
            self.fresh_until = time.monotonic() + COOLDOWN_SECONDS
            return
        self._replace(keys)

    def _replace(self, keys: list[VerificationKey]) -> None:
        before, self._keys = self._keys or (), keys
        self.fresh_until = time.monotonic() + FRESH_SECONDS
        if not set(before) <= set(keys):
            self._on_removal()

    async def _fetch(self) -> bytes:
        body = bytearray()
        async with (
            asyncio.timeout(FETCH_SECONDS),
            self._client.stream("GET", self._url, follow_redirects=False) as response,
        ):
            if response.status_code != httpx.codes.OK:
                raise ValueError(f"status {response.status_code}")
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_JWKS_BYTES:
                    raise ValueError("the key set is too large")
        return bytes(body)


def parse_public_keys(document: bytes) -> list[VerificationKey]:
    """The usable keys of a JWK set (RFC 7517); what we do not understand is passed over.

    Raises:
        ValueError: it is no JWK set.
    """
    parsed = json.loads(document)
    entries = parsed.get("keys") if isinstance(parsed, dict) else None
    if not isinstance(entries, list):
        raise ValueError("not a JWK set")  # noqa: TRY004 - a malformed document, not a caller's mistake
    return [key for entry in entries if (key := _public_key(entry)) is not None]


def secret_key(secret: str) -> VerificationKey:
    """A shared secret as an HS256 key."""
    return VerificationKey.from_jwk({"kty": "oct", "k": base64url_encode(secret.encode()).decode()}, "HS256")


def algorithm_of(entry: Mapping[str, Any]) -> str | None:
    """The algorithm that a JWK is for, if it is one of ours: ES256 or RS256."""
    for algorithm, (kind, curve) in ASYMMETRIC.items():
        if entry.get("kty") == kind and entry.get("crv") == curve and entry.get("alg", algorithm) == algorithm:
            return algorithm
    return None


def _public_key(entry: Any) -> VerificationKey | None:
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
        return None
    algorithm = algorithm_of(entry)
    try:
        return VerificationKey.from_jwk(entry, algorithm) if algorithm else None
    except ValueError:
        return None


def _matching(keys: Iterable[VerificationKey], kid: str | None, algorithm: str) -> list[VerificationKey]:
    return [key for key in keys if key.algorithm == algorithm and (None in {kid, key.kid} or kid == key.kid)]
