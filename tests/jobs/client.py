"""The jobs API as one person uses it."""

import asyncio
from typing import Any

import httpx

from tests.patience import PATIENCE
from tests.people import Person

JOBS = "/api/v1/jobs"

Json = dict[str, Any]


class JobsClient:
    """Requests of one person: `send` as they are, and short ways to what most tests need."""

    def __init__(self, http: httpx.AsyncClient, person: Person) -> None:
        self.http = http
        self.person = person

    async def send(self, method: str, path: str = "", **options: Any) -> httpx.Response:
        headers = {**self.person.headers, **options.pop("headers", {})}
        return await self.http.request(method, f"{JOBS}{path}", headers=headers, **options)

    async def queue(self, kind: str, **parameters: Any) -> Json:
        return self._accepted(await self.send("POST", json={"kind": kind, **parameters}))

    async def import_file(self, content: bytes, media_type: str = "text/csv", **query: str) -> Json:
        headers = {"Content-Type": media_type}
        return self._accepted(await self.send("POST", "/import", content=content, headers=headers, params=query))

    async def get(self, job_id: str) -> Json:
        answer = await self.send("GET", f"/{job_id}")
        assert answer.status_code == 200, answer.text
        job: Json = answer.json()["data"]
        return job

    async def cancel(self, job_id: str) -> int:
        return (await self.send("DELETE", f"/{job_id}")).status_code

    async def wait(self, job_id: str, *states: str) -> Json:
        """The job as soon as it is in one of these states; by default, as soon as it is finished."""
        wanted = states or ("succeeded", "failed", "cancelled")
        async with asyncio.timeout(PATIENCE):
            while True:
                job = await self.get(job_id)
                if job["state"] in wanted:
                    return job
                await asyncio.sleep(0.02)

    async def result(self, job_id: str) -> httpx.Response:
        answer = await self.send("GET", f"/{job_id}/result")
        assert answer.status_code == 200, answer.text
        return answer

    async def titles(self) -> list[str]:
        """The titles of all of this person's tasks, in order."""
        titles, cursor = list[str](), ""
        while True:
            answer = await self.http.get(f"/api/v1/tasks?limit=100&sort=title{cursor}", headers=self.person.headers)
            page = answer.json()
            titles += [task["title"] for task in page["data"]]
            if page["meta"]["next_cursor"] is None:
                return titles
            cursor = f"&cursor={page['meta']['next_cursor']}"

    @staticmethod
    def _accepted(answer: httpx.Response) -> Json:
        assert answer.status_code == 202, answer.text
        job: Json = answer.json()["data"]
        assert answer.headers["location"] == f"{JOBS}/{job['id']}"
        return job
