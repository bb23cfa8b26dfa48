"""What a client says to `/api/v1/auth`, and what it expects to hear."""

import json
from typing import Any
from uuid import uuid4

import httpx
import respx

from tests.people import Person

AUTH = "/api/v1/auth"
TASKS = "/api/v1/tasks"
PASSWORD = "correct horse battery staple"
NEW_PASSWORD = "another horse, another staple"


async def register(api: httpx.AsyncClient, email: str = "new@example.com", **more: Any) -> httpx.Response:
    return await api.post(f"{AUTH}/register", json={"email": email, "password": PASSWORD, **more})


async def login(api: httpx.AsyncClient, email: str = "") -> httpx.Response:
    """Sign in; without an e-mail, as somebody whose mistakes nobody has counted yet."""
    form = {"email": email or f"{uuid4()}@example.com", "password": PASSWORD}
    return await api.post(f"{AUTH}/login", json=form)


async def refresh(api: httpx.AsyncClient, token: str = "a-refresh-token") -> httpx.Response:
    return await api.post(f"{AUTH}/refresh", json={"refresh_token": token})


async def logout(api: httpx.AsyncClient, person: Person, scope: str = "local") -> httpx.Response:
    return await api.post(f"{AUTH}/logout", params={"scope": scope}, headers=person.headers)


async def change_password(api: httpx.AsyncClient, person: Person, new: str = NEW_PASSWORD) -> httpx.Response:
    form = {"current_password": PASSWORD, "new_password": new}
    return await api.post(f"{AUTH}/password", json=form, headers=person.headers)


def error_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def sent(route: respx.Route, number: int = -1) -> tuple[httpx.Headers, Any]:
    """Headers and body of a request that Supabase Auth got."""
    request: httpx.Request = route.calls[number].request
    return request.headers, json.loads(request.content) if request.content else None
