"""A superuser who reads the audit log."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from tests.conftest import NewPerson
from tests.people import Person

Json = dict[str, Any]
ReadLog = Callable[..., Awaitable[Json]]
LOG = "/api/v1/audit-log"


@pytest.fixture
def root(new_person: NewPerson) -> Person:
    return new_person(superuser=True)


@pytest.fixture
def read_log(client: httpx.AsyncClient, root: Person) -> ReadLog:
    async def read(**query: Any) -> Json:
        answer = await client.get(LOG, params=query, headers=root.headers)
        assert answer.status_code == 200, answer.text
        page: Json = answer.json()
        return page

    return read
