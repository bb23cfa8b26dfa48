"""One trace through the API, api-gpu and the worker, as a collector receives it."""

import json
import re
import secrets
from typing import Any

import pytest

from tests.images.test_images import png
from tests.jobs.test_images import archive
from tests.observability.collector import Received
from tests.observability.conftest import HEADER, System
from tests.patience import wait_until
from tests.people import Person

Spans = list[Received]


@pytest.fixture
def ada(system: System) -> Person:
    return system.new_person()


def traced(person: Person) -> tuple[str, dict[str, str]]:
    """A trace that begins with the caller, and the headers of a request that belongs to it."""
    trace = secrets.token_hex(16)
    return trace, {**person.headers, "traceparent": f"00-{trace}-{secrets.token_hex(8)}-01"}


def above(span: Received, spans: Spans) -> list[str]:
    """The names of what a span is a part of, from the inside out."""
    by_id, names = {each.id: each for each in spans}, list[str]()
    while span.parent in by_id:
        span = by_id[span.parent]
        names.append(f"{span.service} {span.name}")
    return names


def find(spans: Spans, service: str, name: str) -> Received:
    return next(span for span in spans if (span.service, span.name) == (service, name))


def test_a_hot_read_is_told_step_by_step(system: System, ada: Person) -> None:
    trace, headers = traced(ada)
    assert system.api.get("/api/v1/tasks?q=hush", headers=headers).status_code == 200
    root = "GET /api/v1/tasks"
    steps = ["auth", "limits", "cache", "connection", "prelude", "query"]
    spans = system.collector.wait_for(trace, ("api-main", root), *[("api-main", step) for step in steps])
    told = {(span.name, *above(span, spans)) for span in spans}
    inside = f"api-main {root}"
    assert {(step, inside) for step in ("auth", "cache", "connection", "query")} <= told
    assert ("prelude", "api-main query", inside) in told
    assert ("query", "api-main cache", inside) in told  # what has become of the session, asked for the first time
    server = find(spans, "api-main", root)
    assert (server.attributes["http.route"], server.attributes["http.response.status_code"]) == ("/api/v1/tasks", 200)
    texts = [str(span.attributes["db.query.text"]) for span in spans if span.name == "query"]
    assert any("from public.tasks" in text for text in texts)
    assert {"authenticated"} <= {span.attributes.get("db.role") for span in spans if span.name == "prelude"}


def test_a_write_is_told_with_the_steps_of_fastapi(system: System, ada: Person) -> None:
    trace, headers = traced(ada)
    assert system.api.post("/api/v1/tasks", headers=headers, json={"title": "hush"}).status_code == 201
    root = "POST /api/v1/tasks"
    spans = system.collector.wait_for(trace, ("api-main", root), ("api-main", "fastapi.endpoint"))
    writing = next(span for span in spans if "INSERT INTO" in str(span.attributes.get("db.query.text")))
    assert above(writing, spans) == ["api-main fastapi.endpoint", f"api-main {root}"]


def test_the_trace_goes_on_in_api_gpu(system: System, ada: Person) -> None:
    trace, headers = traced(ada)
    files = {"image": ("a.png", png(), "image/png")}
    answer = system.api.post("/api/v1/images/thumbnail?width=64", headers=headers, files=files)
    assert answer.status_code == 200, answer.text
    root, work = "POST /api/v1/images/thumbnail", "POST /v2/models/{model}/infer"
    spans = system.collector.wait_for(trace, ("api-main", root), ("api-main", "api-gpu"), ("api-gpu", work))
    expected = ["api-main api-gpu", "api-main fastapi.endpoint", f"api-main {root}"]
    assert above(find(spans, "api-gpu", work), spans) == expected


def test_the_trace_goes_on_in_the_worker_and_from_there_in_api_gpu(system: System, ada: Person) -> None:
    trace, headers = traced(ada)
    content = {**headers, "Content-Type": "application/zip"}
    answer = system.api.post("/api/v1/jobs/images?operation=hash", headers=content, content=archive({"a.png": png()}))
    assert answer.status_code == 202, answer.text
    root, work, job = "POST /api/v1/jobs/images", "POST /v2/models/{model}/infer", "job images.batch"
    spans = system.collector.wait_for(
        trace, ("api-main", root), ("api-main-worker", job), ("api-main-worker", "api-gpu"), ("api-gpu", work)
    )
    inside = above(find(spans, "api-gpu", work), spans)
    assert inside[:2] == ["api-main-worker api-gpu", f"api-main-worker {job}"]
    assert inside[-1] == f"api-main {root}"
    assert "traceparent" not in system.api.get(answer.headers["location"], headers=ada.headers).text


def test_an_error_names_its_trace_in_its_body_and_in_the_logs(system: System, ada: Person) -> None:
    trace, headers = traced(ada)
    error = system.api.get("/api/v1/tasks?limit=0", headers=headers).json()["error"]
    assert error["trace_id"] == trace

    def events() -> list[dict[str, Any]]:
        lines = (json.loads(line) for line in system.api.written().splitlines() if line.startswith("{"))
        return [line for line in lines if line.get("request_id") == error["request_id"]]

    wait_until(lambda: any(event["event"] == "request" for event in events()))
    assert {event["trace_id"] for event in events()} == {trace}


def test_a_request_without_a_trace_begins_one(system: System, ada: Person) -> None:
    error = system.api.get("/api/v1/tasks?limit=0", headers=ada.headers).json()["error"]
    assert re.fullmatch("[0-9a-f]{32}", error["trace_id"])
    system.collector.wait_for(error["trace_id"], ("api-main", "GET /api/v1/tasks"))


def test_a_trace_that_is_not_to_be_recorded_is_not(system: System, ada: Person) -> None:
    trace, headers = traced(ada)
    headers["traceparent"] = headers["traceparent"].removesuffix("01") + "00"
    assert system.api.get("/api/v1/tasks", headers=headers).status_code == 200
    later, headers = traced(ada)
    assert system.api.get("/api/v1/tasks", headers=headers).status_code == 200
    system.collector.wait_for(later, ("api-main", "GET /api/v1/tasks"))
    assert system.collector.of(trace) == []


def test_health_checks_are_not_traced(system: System, ada: Person) -> None:
    _, headers = traced(ada)
    trace = headers["traceparent"].split("-")[1]
    system.api.get("/health/ready", headers=headers)
    later, headers = traced(ada)
    system.api.get("/api/v1/tasks", headers=headers)
    system.collector.wait_for(later, ("api-main", "GET /api/v1/tasks"))
    assert system.collector.of(trace) == []


def test_the_collector_is_sent_the_header_that_it_wants(system: System, ada: Person) -> None:
    trace, headers = traced(ada)
    system.api.get("/api/v1/tasks", headers=headers)
    system.collector.wait_for(trace, ("api-main", "GET /api/v1/tasks"))
    assert {sent.get("x-key") for sent in system.collector.headers} == {HEADER}


def test_neither_spans_nor_metrics_nor_logs_of_slow_queries_tell_a_secret(
    system: System,
) -> None:
    """Everything that somebody might send, through doors where it ends well and where it does not."""
    person = system.new_person()
    word, password, link = (f"secret{secrets.token_hex(8)}" for _ in range(3))
    trace, headers = traced(person)
    email = f"{word}@example.com"
    credentials = {"email": email, "password": password}
    created = system.api.post("/api/v1/tasks", headers=headers, json={"title": word, "description": password})
    task = created.json()["data"]["id"]
    system.api.get(f"/api/v1/tasks?q={word}", headers=headers)
    system.api.get(f"/api/v1/tasks/search?q={word}", headers=headers)
    system.api.get(f"/api/v1/tasks/{task}", headers=headers)
    system.api.get(f"/api/v1/{word}/{link}", headers=headers)
    system.api.request(word.upper(), f"/{word}", headers=headers)
    system.api.get(f"/auth/v1/verify?token={link}&type=signup", headers=headers)
    system.api.post("/api/v1/auth/register", headers=headers, json=credentials)
    system.api.post("/api/v1/auth/register", headers=headers, json=credentials)  # a conflict: its message names it
    system.api.post("/api/v1/auth/login", headers=headers, json={**credentials, "password": link})
    system.api.post("/api/v1/jobs", headers=headers, json={"kind": "tasks.report", "parameters": {"title": word}})
    system.api.get("/api/v1/tasks", headers={**headers, "Authorization": f"Bearer {link}"})
    last = {**headers, "X-Request-ID": "the-last-of-the-secrets"}
    system.api.get("/api/v1/tasks?sort=title", headers=last)
    spans = system.collector.wait_for(trace, ("api-main", "POST /api/v1/auth/login"))
    assert len({span.name for span in spans}) > 8
    revealing = (word, password, link, email, task, person.token, str(person.id), word.upper())
    told = "".join(span.text for span in system.collector.spans) + system.metrics(0) + system.metrics(1)
    slow = [line for line in system.written().splitlines() if "slow_query" in line]
    assert [secret for secret in revealing if secret in told + "".join(slow)] == []
