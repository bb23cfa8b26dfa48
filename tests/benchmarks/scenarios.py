"""What is asked: over HTTP, and as the SQL that Postgres runs for it."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from api_main.tasks import queries
from api_main.tasks.schemas import TaskListQuery
from tests.benchmarks.dataset import Caller
from tests.benchmarks.load import Question

BODY = json.dumps({"title": "Write the announcement", "description": "Half a page, no adjectives", "priority": "high"})
INSERT = f"""
insert into public.tasks (id, title, description, status, priority)
values (gen_random_uuid(), 'Write the announcement', 'Half a page, no adjectives', 'pending', 'high')
returning {queries.COLUMNS}
"""


@dataclass(frozen=True)
class Scenario:
    """One kind of request.

    Attributes:
        sql: the statement behind it; `:user` is the number of the caller.
    """

    name: str
    path: Callable[[Caller], str]
    sql: str
    body: str = ""
    status: int = 200

    @property
    def reads(self) -> bool:
        return not self.body

    def question(self, caller: Caller) -> Question:
        lines = [
            f"{'GET' if self.reads else 'POST'} {self.path(caller)} HTTP/1.1",
            "Host: api.example.com",
            f"Authorization: Bearer {caller.token}",
        ]
        if self.body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(self.body)}"]
        return Question(request="\r\n".join([*lines, "", self.body]), owner=str(caller.id), status=self.status)


def _list(limit: int) -> Scenario:
    return Scenario(
        f"GET /tasks?limit={limit}",
        lambda _caller: f"/api/v1/tasks?limit={limit}",
        queries.page(TaskListQuery(limit=limit)).sql,
    )


LIST = _list(10)
LONG_LIST = _list(50)
READ = Scenario(
    "GET /tasks/{id}",
    lambda caller: f"/api/v1/tasks/{caller.task}",
    queries.one(Caller(1, "").task).sql.replace("$1", "md5('task ' || :user)::uuid"),
)
CREATE = Scenario("POST /tasks", lambda _caller: "/api/v1/tasks", INSERT, BODY, 201)
SCENARIOS = (LIST, LONG_LIST, READ, CREATE)
