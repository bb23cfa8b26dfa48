"""What a client says to `/api/v1/auth`, and what it expects to hear."""

from typing import Any
from uuid import uuid4

import httpx

AUTH = "/api/v1/auth"
TASKS = "/api/v1/tasks"
PASSWORD = "correct horse battery staple"


def new_email() -> str:
    return f"{uuid4().hex}@example.com"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def register(client: httpx.AsyncClient, email: str, password: str = PASSWORD, **more: Any) -> httpx.Response:
    return await client.post(f"{AUTH}/register", json={"email": email, "password": password, **more})


async def login(client: httpx.AsyncClient, email: str, password: str = PASSWORD) -> httpx.Response:
    return await client.post(f"{AUTH}/login", json={"email": email, "password": password})


async def sign_in(client: httpx.AsyncClient, email: str, password: str = PASSWORD) -> dict[str, Any]:
    """The tokens of a new session."""
    return tokens_of(await login(client, email, password))


async def refresh(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post(f"{AUTH}/refresh", json={"refresh_token": token})


async def change_password(client: httpx.AsyncClient, token: str, current: str, new: str) -> httpx.Response:
    form = {"current_password": current, "new_password": new}
    return await client.post(f"{AUTH}/password", json=form, headers=bearer(token))


async def read_me(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.get(f"{AUTH}/me", headers=bearer(token))


def tokens_of(response: httpx.Response) -> dict[str, Any]:
    assert response.is_success, response.text
    tokens: dict[str, Any] = response.json()["data"]
    return tokens


def assert_refused(response: httpx.Response, status: int, code: str, field: str | None = None) -> None:
    """The error has this status and code, and every 401 says how to authenticate (RFC 6750, section 3)."""
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert error["code"] == code
    if field is not None:
        assert error["field"] == field
    if status == httpx.codes.UNAUTHORIZED:
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
