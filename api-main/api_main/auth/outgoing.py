"""Connections to those who keep accounts or keys for us."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from api_main.core.settings import Settings

KEYS_TIMEOUT = httpx.Timeout(3.0, connect=2.0)
SUPABASE_TIMEOUT = httpx.Timeout(10.0, connect=3.0)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Connections, `keys` for key sets and `supabase` for calls to Supabase Auth."""

    keys: httpx.AsyncClient
    supabase: httpx.AsyncClient


@asynccontextmanager
async def open_outgoing(settings: Settings) -> AsyncIterator[Outgoing | None]:
    """None where all accounts and keys are our own: the certificates of all authorities take 5 MB."""
    if settings.supabase_url is None and not settings.trusted_issuers:
        yield None
        return
    async with httpx.AsyncClient(timeout=KEYS_TIMEOUT) as keys, open_supabase() as supabase:
        yield Outgoing(keys, supabase)


def open_supabase() -> httpx.AsyncClient:
    """Connections to Supabase Auth for all calls. They have nothing else in common: no header, and no cookie."""
    nobodys = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    return httpx.AsyncClient(timeout=SUPABASE_TIMEOUT, cookies=nobodys, follow_redirects=False)
