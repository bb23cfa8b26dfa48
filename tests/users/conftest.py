"""Superusers, and accounts that nobody else has."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.conftest import NewPerson
from tests.people import Person
from tests.users.client import UsersClient

Json = dict[str, Any]


@pytest.fixture
def root(new_person: NewPerson) -> Person:
    return new_person(superuser=True)


@pytest.fixture
def users(client: httpx.AsyncClient, root: Person) -> UsersClient:
    """The accounts as a superuser administers them."""
    return UsersClient(client, root)


@pytest.fixture
def mark() -> str:
    """What the names of one test's accounts have in common."""
    return f"m{uuid4().hex[:12]}"
