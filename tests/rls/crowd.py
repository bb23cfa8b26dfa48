"""A crowd that uses the API all at once, one in seven of its requests cut off, too slow or wrong."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg

from tests.people import Person
from tests.rls.serving import SLOW_READ, SLOW_WRITE

TASKS = "/api/v1/tasks"
ME = "/api/v1/auth/me"
REQUESTS_EACH = 4
MISHAP = 1 / 7
ONE_SLOW_IN = 50
SLOW_AT_ONCE = 2  # so that half of the connections serve the others meanwhile


@dataclass
class Client:
    """One of the clients of a person. What they write carries their name; what they are shown must be theirs."""

    person: Person
    http: httpx.AsyncClient
    dice: random.Random
    strangers_task: str
    is_slow: bool
    slow_at_once: asyncio.Semaphore
    statuses: Counter[int] = field(default_factory=Counter)
    cut_off: int = 0
    seen: int = 0
    own: list[str] = field(default_factory=list)

    async def use(self) -> None:
        if self.is_slow:
            await self._be_slow()
        for _ in range(REQUESTS_EACH):
            mishap = self.dice.random() < MISHAP
            await (self._go_wrong() if mishap else self._go_right())

    async def _go_right(self) -> None:
        title = f"{self.person.id} {self.dice.random():.12f}"
        task = f"{TASKS}/{self.dice.choice(self.own)}" if self.own else TASKS
        match self.dice.choice(
            ("create", "create", "list", "search", "me", "read", "change", "replace", "bulk", "delete")
        ):
            case "create":
                await self._ask("POST", TASKS, {"title": title})
            case "list":
                await self._ask("GET", f"{TASKS}?include_total=true")
            case "search":
                await self._ask("GET", f"{TASKS}/search?q=0")
            case "me":
                await self._ask("GET", ME)
            case "read":
                await self._ask("GET", task)
            case "change" if self.own:
                await self._ask("PATCH", task, {"title": title})
            case "replace" if self.own:
                await self._ask("PUT", task, {"title": title})
            case "delete" if self.own:
                await self._ask("DELETE", f"{TASKS}/{self.own.pop()}")
            case _:
                await self._ask("POST", f"{TASKS}/bulk", {"create": [{"title": title}] * 3})

    async def _go_wrong(self) -> None:
        match self.dice.choice(("cut off", "cut off", "cut off when slow", "another's", "contradiction")):
            case "cut off":
                await self._cut_off(self._go_right())
            case "cut off when slow":
                await self._cut_off(self._be_slow())
            case "another's":
                await self._ask("PATCH", f"{TASKS}/{self.strangers_task}", {"title": f"{self.person.id} was here"})
            case _:  # fails once a part of it has been written
                create, update = [{"title": f"{self.person.id} undone"}], [{"id": self.strangers_task, "title": "x"}]
                await self._ask("POST", f"{TASKS}/bulk", {"create": create, "update": update})

    async def _be_slow(self) -> None:
        async with self.slow_at_once:
            await (self._ask("GET", SLOW_READ) if self.dice.random() < 0.5 else self._ask("POST", SLOW_WRITE))

    async def _cut_off(self, request: Any) -> None:
        """The client goes away, at any moment of its request."""
        task = asyncio.create_task(request)
        await asyncio.sleep(self.dice.random() * 0.1)
        task.cancel()
        self.cut_off += 1
        await asyncio.wait([task])

    async def _ask(self, method: str, path: str, body: Any = None) -> None:
        answer = await self.http.request(method, path, json=body, headers=self.person.headers)
        self.statuses[answer.status_code] += 1
        if answer.is_success and answer.status_code != 204 and path not in (SLOW_READ, SLOW_WRITE):
            self._look_at(answer.json()["data"])

    def _look_at(self, data: Any) -> None:
        rows = data if isinstance(data, list) else data.get("created", [data])
        for row in rows:
            self.seen += 1
            assert row.get("owner_id", row["id"]) == str(self.person.id)
            if "title" in row:
                assert row["title"].startswith(str(self.person.id))
                self.own.append(row["id"])


def gather_crowd(http: httpx.AsyncClient, people: list[Person], size: int, strangers_task: str) -> list[Client]:
    """The same crowd every time, as far as it is up to them."""
    slow_at_once = asyncio.Semaphore(SLOW_AT_ONCE)
    return [
        Client(
            people[number % len(people)],
            http,
            random.Random(number),
            strangers_task,
            is_slow=number % ONE_SLOW_IN == 0,
            slow_at_once=slow_at_once,
        )
        for number in range(size)
    ]


async def rush(crowd: Iterable[Client]) -> None:
    async with asyncio.TaskGroup() as group:
        for client in crowd:
            group.create_task(client.use())


def misplaced_tasks(admin: psycopg.Connection[Any], people: list[Person]) -> list[Any]:
    """Tasks whose owner is not the person who wrote them, and tasks of requests that failed."""
    owners = [person.id for person in people]
    return admin.execute(
        "select owner_id, title from public.tasks where owner_id = any (%s) and title not like owner_id || ' 0.%%'",
        (owners,),
    ).fetchall()
