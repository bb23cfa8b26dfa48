"""The API on a real socket, with the keys that Supabase's clients want."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from api_main.auth.api_keys import KeyKind, digest, generate
from api_main.core.settings import Settings
from api_main.main import create_app
from tests.ports import free_port
from tests.serving import serve


@dataclass(frozen=True)
class Project:
    """What somebody who uses Supabase's clients knows of us."""

    url: str
    publishable_key: str
    secret_key: str


@pytest.fixture(scope="session")
def project(settings: Settings) -> Iterator[Project]:
    """Signs new accounts in at once."""
    with _running(settings, email_autoconfirm=True, anonymous_users_enabled=True) as project:
        yield project


@pytest.fixture(scope="session")
def mailing_project(settings: Settings) -> Iterator[Project]:
    """Has new e-mails confirmed first; `/dev/mail` shows what it mails."""
    with _running(settings, email_autoconfirm=False) as project:
        yield project


@contextmanager
def _running(settings: Settings, **changes: bool) -> Iterator[Project]:
    publishable, secret = generate(KeyKind.PUBLISHABLE), generate(KeyKind.SECRET)
    port = free_port()  # the address stands in the tokens, so it must be known before the start
    own = {
        "public_url": f"http://127.0.0.1:{port}",
        "publishable_key_digests": [digest(publishable)],
        "secret_key_digests": [digest(secret)],
        "mail_interval_seconds": 0,
    }
    with serve(create_app(settings.model_copy(update={**own, **changes})), port) as url:
        yield Project(url, publishable, secret)
