"""A clock that can be set, the log as production writes it, and accounts whose password is known."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import bcrypt
import cashews.backends.memory
import httpx
import pytest
import respx

from api_main.auth import keys, passwords, verifier
from api_main.auth.keys import RemoteKeys
from api_main.core import cache
from api_main.core.cache import Cache
from api_main.core.logging import configure_logging
from api_main.core.settings import Settings
from tests.auth.calls import PASSWORD
from tests.clock import Clock
from tests.conftest import NewPerson
from tests.people import Person

KEYS_URL = "https://issuer.test/.well-known/jwks.json"

LogLines = Callable[[], list[dict[str, Any]]]


FULL_COST, FULL_NOBODYS_HASH = passwords.COST, passwords.NOBODYS_HASH  # before they are made cheap


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of keys and of remembered tokens. PyJWT goes by the true time."""
    clock = Clock()
    for module in (keys, cache, cashews.backends.memory):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(verifier, "time", clock)
    return clock


@pytest.fixture
def log_lines(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Iterator[LogLines]:
    """What has been logged since the last call, down to the last detail, as production writes it."""
    configure_logging(settings.model_copy(update={"log_format": "json", "log_level": "DEBUG"}))
    yield lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    configure_logging(settings)


@pytest.fixture
def full_bcrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords cost what they cost in production."""
    monkeypatch.setattr(passwords, "COST", FULL_COST)
    monkeypatch.setattr(passwords, "NOBODYS_HASH", FULL_NOBODYS_HASH)


@pytest.fixture(scope="session")
def quick_hash() -> str:
    """The hash of `PASSWORD` at bcrypt's lowest cost, for tests that are not about the cost."""
    return bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()


@pytest.fixture
def grace(new_person: NewPerson, quick_hash: str) -> Person:
    """Somebody who signs in with `PASSWORD`."""
    return new_person(encrypted_password=quick_hash)


@pytest.fixture
def mocked() -> Iterator[respx.MockRouter]:
    """The network, in which nobody answers whom a test has not put there."""
    with respx.mock(assert_all_called=False) as router:
        yield router


@pytest.fixture
async def outside(mocked: respx.MockRouter) -> AsyncIterator[httpx.AsyncClient]:
    """The client with which key sets are fetched."""
    async with httpx.AsyncClient() as client:
        yield client


@pytest.fixture
def removals() -> list[str]:
    """How often a key set has told that a key is gone."""
    return []


@pytest.fixture
def remote_keys(outside: httpx.AsyncClient, clock: Clock, removals: list[str]) -> RemoteKeys:
    return RemoteKeys(KEYS_URL, outside, Cache(), lambda: removals.append("removed"))
