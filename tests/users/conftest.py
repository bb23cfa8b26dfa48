"""Superusers, accounts that nobody else has, and passwords that cost little."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from api_main.auth import passwords
from tests.conftest import NewPerson
from tests.people import Person
from tests.users.client import UsersClient

Json = dict[str, Any]


@pytest.fixture
def cheap_bcrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "COST", 4)


@pytest.fixture
def root(new_person: NewPerson) -> Person:
    return new_person(superuser=True)


@pytest.fixture
def users(client: httpx.AsyncClient, root: Person, cheap_bcrypt: None) -> UsersClient:
    """The accounts as a superuser administers them."""
    return UsersClient(client, root)


@pytest.fixture
def mark() -> str:
    """What the names of one test's accounts have in common."""
    return f"m{uuid4().hex[:12]}"
