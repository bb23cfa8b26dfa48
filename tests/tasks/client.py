"""The tasks API as one person uses it."""

from typing import Any

import httpx

from tests.people import Person

TASKS = "/api/v1/tasks"

Json = dict[str, Any]


class TasksClient:
    """Requests of one person: `post`, `patch`, … as they are, and short ways to what most tests need."""

    def __init__(self, http: httpx.AsyncClient, person: Person) -> None:
        self.http = http
        self.person = person

    async def send(self, method: str, path: object = "", **options: Any) -> httpx.Response:
        headers = {**self.person.headers, **options.pop("headers", {})}
        url = TASKS + (f"/{path}" if path and not str(path).startswith("?") else str(path))
        return await self.http.request(method, url, headers=headers, **options)

    async def post(self, form: Json) -> httpx.Response:
        return await self.send("POST", json=form)

    async def get(self, task_id: str) -> httpx.Response:
        return await self.send("GET", task_id)

    async def put(self, task_id: str, form: Json, **headers: str) -> httpx.Response:
        return await self.send("PUT", task_id, json=form, headers=headers)

    async def patch(self, task_id: str, change: Json, if_match: str | None = None) -> httpx.Response:
        return await self.send("PATCH", task_id, json=change, headers={"If-Match": if_match} if if_match else {})

    async def delete(self, task_id: str, if_match: str | None = None) -> httpx.Response:
        return await self.send("DELETE", task_id, headers={"If-Match": if_match} if if_match else {})

    async def bulk(self, **writes: Any) -> httpx.Response:
        return await self.send("POST", "bulk", json=writes)

    async def add(self, title: str = "A task", **fields: Any) -> Json:
        """Create a task and return it."""
        answer = await self.post({"title": title, **fields})
        assert answer.status_code == 201, answer.text
        task: Json = answer.json()["data"]
        return task

    async def add_all(self, *forms: Json) -> list[Json]:
        """Create tasks in one transaction: their `created_at` is one and the same."""
        answer = await self.bulk(create=list(forms))
        assert answer.status_code == 200, answer.text
        tasks: list[Json] = answer.json()["data"]["created"]
        return tasks

    async def page(self, path: str = "", **query: Any) -> Json:
        """One page of the list, or of `search`."""
        answer = await self.send("GET", path, params=query)
        assert answer.status_code == 200, answer.text
        page: Json = answer.json()
        return page

    async def titles(self, path: str = "", **query: Any) -> list[str]:
        return [task["title"] for task in (await self.page(path, **query))["data"]]

    async def walk(self, path: str = "", **query: Any) -> list[Json]:
        """Every page, one after the other."""
        found: list[Json] = []
        page = await self.page(path, **query)
        while True:
            found += page["data"]
            if (cursor := page["meta"]["next_cursor"]) is None:
                return found
            page = await self.page(path, **query, cursor=cursor)


def error_of(answer: httpx.Response) -> tuple[int, str, str | None]:
    """Status, code and field of a failure."""
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["field"]
