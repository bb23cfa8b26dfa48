"""A feed as Server-Sent Events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import psycopg
import structlog
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.exceptions import HTTPException
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from api_main.core.stopping import end
from api_main.events.feed import EXPIRED, MANY_CHANGES, RESET_REASONS, Batch, Event, Following
from api_main.events.follower import Follower
from api_main.events.lifetime import End, Lifetime
from api_main.events.topics import Topic

RECONNECT_MILLISECONDS = 1000
RETRY_SECONDS = 1.0
EARLY = 0.01  # seconds by which a timer may be: what ends then is not kept alive
GRACE_SECONDS = 5.0  # for a last word to somebody who reads slowly

log = structlog.get_logger()


class LiveResponse(StreamingResponse):
    """An event stream that is broken off if its client does not even read that it has ended.

    FastAPI's own takes four tasks and two queues for each stream, Starlette's a task group: too much for thousands that
    are silent.
    """

    media_type = "text/event-stream"

    def __init__(self, content: AsyncIterator[bytes], follower: Follower, seconds: float) -> None:
        """The follower, whose content it is, leaves when the answer has ended."""
        # Not `no-store`, as other answers; and proxies such as nginx are not to collect it first.
        super().__init__(content, headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        self._follower = follower
        self._seconds = seconds + GRACE_SECONDS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's
        latest = asyncio.get_running_loop().time() + self._seconds

        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout_at(latest):
                await send(message)

        with self._follower:
            absence = asyncio.create_task(self._notice_absence(receive))
            try:
                await self.stream_response(send_in_time)
            except TimeoutError:
                log.info("stream_broken_off", reason="its client does not read")
            finally:
                await end(absence)

    async def _notice_absence(self, receive: Receive) -> None:
        with suppress(HTTPException):  # nor is there an answer to whoever sends without end
            while (await receive())["type"] != "http.disconnect":
                pass
        self._follower.close()


class EventStream:
    """What one client is sent."""

    def __init__(self, following: Following, follower: Follower, lifetime: Lifetime, topic: Topic, beat: float) -> None:
        """After `beat` seconds of silence a comment is sent."""
        self._following = following
        self._follower = follower
        self._lifetime = lifetime
        self._topic = topic
        self._beat = beat

    async def run(self) -> AsyncIterator[bytes]:
        """Never ends by an error: whatever happens, the client comes again with the id that it has."""
        yield self._ready()
        while (end := await self._lifetime.over()) is None:
            if sent := await self._more():
                yield sent
            elif (
                not await self._follower.wait(min(self._beat, self._lifetime.seconds))
                and self._lifetime.seconds > EARLY
            ):
                yield KEEPALIVE_COMMENT
        yield self._goodbye(end)

    async def _more(self) -> bytes:
        try:
            batch = await self._following.more()
        except psycopg.Error as error:
            log.warning("stream_delayed", reason=type(error).__name__)
            await asyncio.sleep(RETRY_SECONDS)
            return KEEPALIVE_COMMENT
        return b"" if batch is None else self._written(batch)

    def _ready(self) -> bytes:
        number = self._following.position
        return format_sse_event(
            event="ready", data_str=json.dumps({"last_id": number}), id=str(number), retry=RECONNECT_MILLISECONDS
        )

    def _written(self, batch: Batch) -> bytes:
        if batch.is_lost:
            return _reset(batch.position, EXPIRED)
        return b"".join(map(self._event, batch.events))

    def _event(self, event: Event) -> bytes:
        if event.subject is None:
            return _reset(event.id, MANY_CHANGES)
        row = "null" if event.row is None else event.row.decode()
        data = f'{{"id":"{event.subject}","{self._topic.noun}":{row}}}'
        return format_sse_event(event=f"{self._topic.noun}.{event.change}", data_str=data, id=str(event.id))

    def _goodbye(self, end: End) -> bytes:
        return format_sse_event(event="end", data_str=json.dumps({"reason": end}))


def _reset(number: int, reason: str) -> bytes:
    return format_sse_event(event="reset", data_str=json.dumps({"reason": reason}), id=str(number))


def event_schema(topic: Topic, row: str) -> dict[str, Any]:
    """The schema of one event in OpenAPI 3.2's form; `row` is the name of the schema of a row."""
    noun = topic.noun
    data = {
        "type": "object",
        "properties": {
            "id": {"type": "string", "format": "uuid"},
            noun: {"anyOf": [{"$ref": f"#/components/schemas/{row}"}, {"type": "null"}]},
            "last_id": {"type": "integer"},
            "reason": {"type": "string", "enum": [*RESET_REASONS, *End]},
        },
    }
    names = ["ready", *(f"{noun}.{change}" for change in ("created", "updated", "deleted")), "reset", "end"]
    return {
        "type": "object",
        "required": ["event", "data"],
        "properties": {
            "event": {"type": "string", "enum": names},
            "data": {"type": "string", "contentMediaType": "application/json", "contentSchema": data},
            "id": {"type": "string"},
            "retry": {"type": "integer", "minimum": 0},
        },
    }
