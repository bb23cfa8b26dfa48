"""One project as its clients see it: an address, two keys and a mailbox."""

import html
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import jwt
from fastapi import FastAPI

from api_main.auth.api_keys import KeyKind, digest, generate
from api_main.auth.mail.message import Message
from api_main.auth.mail.sender import Mailbox
from api_main.core.logging import configure_logging
from api_main.core.settings import Settings
from api_main.main import create_app

PASSWORD = "a quiet afternoon"
SITE = "https://site.example"
LEGACY_SECRET = "the secret of the days before asymmetric keys"
Json = dict[str, Any]


@dataclass(frozen=True)
class Project:
    app: FastAPI
    http: httpx.AsyncClient
    publishable: str
    secret: str

    async def call(
        self, method: str, path: str, *, token: str | None = None, key: str | None = None, **options: Any
    ) -> httpx.Response:
        """Call as supabase-js does: with a key, which is also the bearer where there is no user."""
        key = key or self.publishable
        headers = {"apikey": key, "Authorization": f"Bearer {token or key}", **options.pop("headers", {})}
        return await self.http.request(method, f"/auth/v1/{path}", headers=headers, **options)

    async def post(self, path: str, form: Any = None, **options: Any) -> httpx.Response:
        return await self.call("POST", path, json={} if form is None else form, **options)

    async def administer(self, method: str, path: str, **options: Any) -> httpx.Response:
        return await self.call(method, f"admin/{path}", key=self.secret, **options)

    async def sign_up(self, email: str | None = None, **form: Any) -> Json:
        return good(await self.post("signup", {"email": email or new_email(), "password": PASSWORD, **form}))

    async def sign_up_anonymously(self) -> Json:
        return good(await self.post("signup", {"data": {}}))

    async def sign_in(self, email: str, password: str = PASSWORD) -> httpx.Response:
        return await self.post("token?grant_type=password", {"email": email, "password": password})

    async def refresh(self, token: str) -> httpx.Response:
        return await self.post("token?grant_type=refresh_token", {"refresh_token": token})

    async def user(self, token: str) -> httpx.Response:
        return await self.call("GET", "user", token=token)

    async def change(self, token: str, **form: Any) -> httpx.Response:
        return await self.call("PUT", "user", token=token, json=form)

    def mails(self, to: str) -> list[Message]:
        """What is in the mailbox for an address, the newest first."""
        sender = self.app.state.mail_sender
        assert isinstance(sender, Mailbox)
        return [delivered.message for delivered in sender.newest_first() if delivered.message.to == to]


@asynccontextmanager
async def running(settings: Settings, **changes: Any) -> AsyncIterator[Project]:
    """The API with other settings, on the same database."""
    publishable, secret = generate(KeyKind.PUBLISHABLE), generate(KeyKind.SECRET)
    own = {
        "publishable_key_digests": [digest(publishable)],
        "secret_key_digests": [digest(secret)],
        "site_url": SITE,
        "mail_interval_seconds": 0,
        "email_autoconfirm": False,
        "database_pool_min": 0,
    }
    # `signing_keys` is worked out once and kept with a copy, so the settings are made anew.
    app = create_app(Settings(_env_file=None, **{**settings.model_dump(exclude_unset=True), **own, **changes}))
    configure_logging(settings)  # production's would last into other tests
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as http:
            yield Project(app, http, publishable, secret)


def new_email() -> str:
    return f"{uuid4().hex}@example.com"


def good(response: httpx.Response) -> Json:
    assert response.status_code == 200, response.text
    body: Json = response.json()
    return body


def refused(response: httpx.Response, status: int, code: str, message: str | None = None) -> Json:
    """The refusal has this status and code, in the body and in the header."""
    assert response.status_code == status, response.text
    body: Json = response.json()
    assert (body["code"], body["error_code"]) == (status, code)
    assert response.headers["x-sb-error-code"] == code
    if message is not None:
        assert body["msg"] == message
    return body


def claims_of(session: Json) -> Json:
    claims: Json = jwt.decode(session["access_token"], options={"verify_signature": False})
    return claims


def link_in(message: Message) -> str:
    found = re.search(r'href="([^"]+)"', message.html)
    assert found is not None
    return html.unescape(found[1])


def token_in(message: Message) -> str:
    return parse_qs(urlsplit(link_in(message)).query)["token"][0]


def code_in(message: Message) -> str:
    found = re.search(r"<strong>(\d{6})</strong>", message.html)
    assert found is not None
    return found[1]


def fragment_of(response: httpx.Response) -> dict[str, str]:
    assert response.status_code == 303, response.text
    fragment = urlsplit(response.headers["location"]).fragment
    return {name: values[0] for name, values in parse_qs(fragment).items()}
