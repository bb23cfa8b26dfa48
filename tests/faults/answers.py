"""What a client sees while something is broken."""

import httpx

from tests.patience import eventually

TASKS = "/api/v1/tasks"
READY = "/health/ready"


def assert_unavailable(answer: httpx.Response) -> None:
    """A 503 in the envelope that says when to come back."""
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["Retry-After"]) >= 1
    body = answer.json()
    assert body["success"] is False
    assert body["error"]["code"] == "database_unavailable"
    assert body["error"]["request_id"] == answer.headers["X-Request-ID"]


def assert_timed_out(answer: httpx.Response) -> None:
    assert answer.status_code == 504, answer.text
    assert answer.json()["error"]["code"] == "timeout"


async def wait_until_ready(client: httpx.AsyncClient) -> None:
    """Poll readiness as an orchestrator would."""

    async def is_ready() -> bool:
        return (await client.get(READY)).status_code == 200

    await eventually(is_ready)
