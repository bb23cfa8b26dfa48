"""Somebody with tokens, and a clock for what is remembered of them."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api_main.auth.scopes import Scope
from api_main.core.settings import Settings
from tests.people import Person

REMEMBERED_SECONDS: int = Settings.model_fields["revocation_seconds"].default
TOKENS = "/api/v1/tokens"
TASKS = "/api/v1/tasks"
ALL_SCOPES = [scope.value for scope in Scope]
Json = dict[str, Any]
NewToken = Callable[..., Awaitable[Json]]


@pytest.fixture
def new_token(client: httpx.AsyncClient) -> NewToken:
    """Create a token for a person; what the answer says of it."""

    async def create(person: Person, scopes: list[str] | None = None, **form: Any) -> Json:
        body = {"name": "Backup", "scopes": scopes or ALL_SCOPES, **form}
        answer = await client.post(TOKENS, json=body, headers=person.headers)
        assert answer.status_code == 201, answer.text
        data: Json = answer.json()["data"]
        return data

    return create


@pytest.fixture
def forget(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let the time pass after which a verified token is looked up again."""
    known = app.state.personal_token_verifier._known
    ahead = [0.0]
    timer = known.timer
    monkeypatch.setattr(known, "_TimedCache__timer", type(timer)(lambda: ahead[0] + _now(timer)))

    def pass_by() -> None:
        ahead[0] += REMEMBERED_SECONDS + 0.01

    return pass_by


def _now(timer: Any) -> float:
    now: float = timer()
    return now


def bearer(token: Json) -> dict[str, str]:
    return {"Authorization": f"Bearer {token['token']}"}
