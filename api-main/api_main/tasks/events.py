"""`GET /api/v1/tasks/events`: changes of tasks, as they happen."""

from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from api_main.auth.dependencies import CALLER
from api_main.auth.read_route import ReadRoute
from api_main.auth.scopes import Scope
from api_main.core.errors import ValidationFailed
from api_main.core.openapi import errors_beside_a_stream
from api_main.events.dependencies import Caller, LastEventId, live_for
from api_main.events.errors import TooManyStreams
from api_main.events.stream import LiveResponse, event_schema
from api_main.events.topics import Topic
from api_main.tasks.queries import COLUMNS
from api_main.tasks.schemas import TaskRead

TOPIC = Topic(
    name="tasks",
    noun="task",
    scope=Scope.TASKS_READ,
    row=f"(select row_to_json(t) from (select {COLUMNS} from public.tasks where id = subject) t)",  # noqa: S608 - constants alone
)
DESCRIPTION = """
`ready` comes first, with the id after which events follow. Then `task.created`, `task.updated` and `task.deleted`, with
the task as it is now (null if it is gone); `reset` where events are missing, after which the list must be read again;
and `end` before the connection is closed. Come again with the last id in `Last-Event-ID`: nothing is skipped, nothing
comes twice. See docs/live.md.
"""

# What FastAPI keeps of each request until it has been answered is as much again as a stream takes by itself.
router = APIRouter(prefix="/tasks", tags=["tasks"], route_class=ReadRoute)

STREAM: dict[str, Any] = {"text/event-stream": {"itemSchema": event_schema(TOPIC, TaskRead.__name__)}}


@router.get(
    "/events",
    summary="Follow the caller's tasks",
    description=DESCRIPTION,
    response_class=StreamingResponse,
    responses={
        **errors_beside_a_stream(*CALLER, ValidationFailed, TooManyStreams),
        200: {"description": "Events, until the connection ends", "content": STREAM},
    },
)
async def follow_tasks(
    caller: Annotated[Caller, live_for(Scope.TASKS_READ)], last_event_id: LastEventId = None
) -> LiveResponse:
    return await caller.stream(TOPIC, last_event_id)
