"""Two projects on one database: one that confirms e-mails by itself, and one that mails links."""

from collections.abc import AsyncIterator
from typing import Any

import bcrypt
import psycopg
import pytest

from api_main.core.settings import Settings
from tests.protocol.project import LEGACY_SECRET, PASSWORD, Json, Project, running

Admin = psycopg.Connection[Any]


@pytest.fixture(scope="session")
async def auto(settings: Settings) -> AsyncIterator[Project]:
    changes = {"email_autoconfirm": True, "anonymous_users_enabled": True, "legacy_jwt_secret": LEGACY_SECRET}
    async with running(settings, **changes) as project:
        yield project


@pytest.fixture(scope="session")
async def confirming(settings: Settings) -> AsyncIterator[Project]:
    changes = {"redirect_urls": ["https://*.preview.example/**", "app://welcome"], "anonymous_users_enabled": True}
    async with running(settings, **changes) as project:
        yield project


@pytest.fixture
async def grace(auto: Project) -> Json:
    """A session of somebody new, who signs in with `PASSWORD`."""
    return await auto.sign_up(data={"full_name": "Grace"})


@pytest.fixture
def email(grace: Json) -> str:
    address: str = grace["user"]["email"]
    return address


@pytest.fixture(scope="session")
def quick_hash() -> str:
    return bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
