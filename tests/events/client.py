"""An event stream as a program reads it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from tests.patience import PATIENCE
from tests.people import Person

EVENTS = "/api/v1/tasks/events"


@dataclass(frozen=True)
class Event:
    kind: str
    data: Any
    id: int | None


class Stream:
    """The events of one connection."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.comments = 0
        self.last_id: int | None = None
        self._events = self._read()

    async def next(self) -> Event:
        async with asyncio.timeout(PATIENCE):
            return await anext(self._events)

    async def take(self, count: int) -> list[Event]:
        return [await self.next() for _ in range(count)]

    async def rest(self) -> list[Event]:
        """All that comes until the connection ends."""
        async with asyncio.timeout(PATIENCE):
            return [event async for event in self._events]

    async def _read(self) -> AsyncIterator[Event]:
        fields: dict[str, str] = {}
        async for line in self.answer.aiter_lines():
            name, _, value = line.partition(": ")
            if line.startswith(":"):
                self.comments += 1
            elif line:
                fields[name] = value
            elif fields:
                number = int(fields["id"]) if "id" in fields else None
                self.last_id = self.last_id if number is None else number
                yield Event(fields["event"], json.loads(fields["data"]), number)
                fields = {}


@asynccontextmanager
async def follow(http: httpx.AsyncClient, person: Person, last_id: int | None = None) -> AsyncIterator[Stream]:
    """Open a stream, whose first event has come: what happens from here on is told."""
    headers = person.headers | ({} if last_id is None else {"Last-Event-ID": str(last_id)})
    async with http.stream("GET", EVENTS, headers=headers) as answer:
        assert answer.status_code == 200, await answer.aread()
        stream = Stream(answer)
        ready = await stream.next()
        assert (ready.kind, ready.data) == ("ready", {"last_id": ready.id})
        yield stream
