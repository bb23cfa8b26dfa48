"""`/api/v1/users` as one person uses it."""

from typing import Any
from uuid import uuid4

import httpx

from tests.people import Person

USERS = "/api/v1/users"
PASSWORD = "a quiet afternoon"

Json = dict[str, Any]


def form(mark: str = "m", **changes: Any) -> Json:
    """A new account; its names hold the mark."""
    return {"email": f"{mark}.{uuid4().hex[:8]}@example.com", "password": PASSWORD, **changes}


class UsersClient:
    def __init__(self, http: httpx.AsyncClient, person: Person) -> None:
        self.http = http
        self.person = person

    async def send(self, method: str, path: str = "", **options: Any) -> httpx.Response:
        return await self.http.request(method, f"{USERS}{path}", headers=self.person.headers, **options)

    async def create(self, **wanted: Any) -> Json:
        made: Json = data(await self.send("POST", json=form(**wanted)), 201)
        return made

    async def list(self, **query: Any) -> Json:
        answer = await self.send("GET", params=query)
        assert answer.status_code == 200, answer.text
        page: Json = answer.json()
        return page

    async def change(self, user_id: Any, **changes: Any) -> Json:
        changed: Json = data(await self.send("PATCH", f"/{user_id}", json=changes), 200)
        return changed


def data(answer: httpx.Response, status: int) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()["data"]


def error_of(answer: httpx.Response) -> tuple[int, str, str | None]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["field"]
