"""What Prometheus is told, and by whom it can be asked."""

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api_main.core.redis import RedisServer, open_redis
from api_main.core.settings import Settings
from api_main.main import create_app
from api_main.metrics.collectors import RedisCollector
from api_main.metrics.listener import exposing_metrics
from tests.observability.conftest import System
from tests.patience import eventually, wait_until
from tests.people import Person
from tests.ports import free_port
from tests.redis_server import LocalRedis

Labels = dict[str, str]


@pytest.fixture
def ada(system: System) -> Person:
    return system.new_person()


@pytest.fixture
def admin(system: System) -> psycopg.Connection[Any]:
    return system.admin


def samples(text: str) -> dict[str, list[tuple[Labels, float]]]:
    found: dict[str, list[tuple[Labels, float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def value(text: str, name: str, **labels: str) -> float:
    """The sum of what has these labels."""
    return sum(found for given, found in samples(text).get(name, []) if labels.items() <= given.items())


def test_a_request_is_counted_under_its_template_whichever_way_it_goes(system: System, ada: Person) -> None:
    task = system.api.post("/api/v1/tasks", headers=ada.headers, json={"title": "counted"}).json()["data"]["id"]
    before = system.metrics()
    path = f"/api/v1/tasks/{task}"
    assert system.api.get(path, headers=ada.headers).status_code == 200  # the short way
    assert system.api.request("HEAD", path, headers=ada.headers).status_code == 200
    assert system.api.request("PATCH", path, headers=ada.headers, json={"title": "x"}).status_code == 200
    assert system.api.get("/api/tasks", headers=ada.headers).status_code == 200  # a version is put in
    assert system.api.get("/api/v1/tasks/no-uuid", headers=ada.headers).status_code == 422
    assert system.api.request("PROPFIND", path, headers=ada.headers).status_code == 405
    template = "/api/v1/tasks/{task_id}"
    expected: list[tuple[Labels, float]] = [
        ({"method": "GET", "route": template, "status": "200"}, 1),
        ({"method": "HEAD", "route": template, "status": "200"}, 1),
        ({"method": "PATCH", "route": template, "status": "200"}, 1),
        ({"method": "GET", "route": "/api/v1/tasks", "status": "200"}, 1),
        ({"method": "GET", "route": template, "status": "422"}, 1),
        ({"method": "other", "route": template, "status": "405"}, 1),
    ]
    counted = [
        (
            labels,
            value(system.metrics(), "http_requests_total", **labels) - value(before, "http_requests_total", **labels),
        )
        for labels, _ in expected
    ]
    assert counted == expected
    assert value(system.metrics(), "http_request_seconds_count", method="GET", route=template) >= 2


def test_paths_and_methods_that_nobody_knows_make_no_series_of_their_own(system: System) -> None:
    for number in range(3):
        system.api.get(f"/unknown-{number}/x")
        system.api.request(f"VERB{number}", "/health/live")
        system.api.get(f"/api/v9/{number}")
    known = set(system.api.get("/openapi.json").json()["paths"]) | {"unmatched", "/health/live"}
    series = samples(system.metrics())["http_requests_total"]
    assert {labels["route"] for labels, _ in series} <= known | {
        "/openapi.json", "/auth/v1/{path:path}", "/auth/v1/verify",
    }  # fmt: skip
    assert not [labels for labels, _ in series if labels["method"].startswith("VERB")]
    assert value(system.metrics(), "http_requests_total", route="unmatched", status="404") >= 6


def test_errors_and_failed_sign_ins_are_counted(system: System, ada: Person) -> None:
    before = system.metrics()
    wrong = {"email": ada.email, "password": "certainly not"}
    assert system.api.post("/api/v1/auth/login", json=wrong).status_code == 401
    after = system.metrics()
    for name, labels in (
        ("http_errors_total", {"code": "invalid_credentials"}),
        ("security_events_total", {"event": "sign_in_failed"}),
    ):
        assert value(after, name, **labels) == value(before, name, **labels) + 1


def test_the_pool_is_told_and_who_waits_for_it(system: System, admin: psycopg.Connection[Any], ada: Person) -> None:
    told = system.metrics()
    assert value(told, "database_pool_max") == 10
    assert value(told, "database_pool_open") == value(told, "database_pool_in_use") + value(told, "database_pool_idle")
    assert value(told, "database_pool_open") >= 1
    assert value(told, "database_statement_seconds_count", door="reader") > 0
    assert value(told, "database_statement_seconds_count", door="session") > 0


def test_requests_in_flight_are_told_while_they_are(system: System, ada: Person) -> None:
    asking = b"GET /api/v1/tasks HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer %b\r\n\r\n" % ada.token.encode()
    with system.api.connect() as caller, system.admin.transaction(force_rollback=True):
        system.admin.execute("lock table public.tasks in access exclusive mode")
        caller.sendall(asking)
        wait_until(lambda: value(system.metrics(), "http_requests_in_flight") == 1)
        assert value(system.metrics(), "database_pool_in_use") >= 1
    wait_until(lambda: value(system.metrics(), "http_requests_in_flight") == 0)


def test_the_age_of_what_waits_is_told(system: System, admin: psycopg.Connection[Any], ada: Person) -> None:
    """What counts as waiting: supabase/tests/observability.sql."""
    admin.execute("insert into public.tasks (owner_id, title) values (%s, 'waits')", (ada.id,))
    admin.execute(
        "insert into private.tasks_to_embed as q (task_id, queued_at, claimed_until)"
        " select id, now() - interval '1 hour', now() + interval '1 hour' from public.tasks where owner_id = %s"
        " on conflict (task_id) do update set queued_at = excluded.queued_at, claimed_until = excluded.claimed_until",
        (ada.id,),
    )
    told = system.metrics()
    admin.execute("delete from public.tasks where owner_id = %s", (ada.id,))
    assert value(told, "queues_known") == 1
    assert value(told, "embeddings_waiting") >= 1
    assert 3600 <= value(told, "embeddings_oldest_seconds") < 3700
    assert {"jobs_waiting", "jobs_running", "jobs_oldest_seconds"} <= samples(told).keys()
    assert value(system.metrics(), "embeddings_oldest_seconds") < 3600


def test_the_worker_tells_of_its_jobs_and_its_pool(system: System, ada: Person) -> None:
    wait = system.api.post("/api/v1/jobs", headers=ada.headers, json={"kind": "tasks.export", "format": "csv"})
    assert wait.status_code == 202, wait.text
    wait_until(lambda: value(system.metrics(1), "jobs_ended_total", kind="tasks.export", outcome="succeeded") >= 1)
    assert value(system.metrics(1), "job_seconds_count", kind="tasks.export") >= 1
    assert value(system.metrics(1), "database_pool_open") >= 1
    assert "http_requests_total{" not in system.metrics(1)


def test_the_api_itself_has_no_metrics_to_show(system: System, ada: Person) -> None:
    assert system.api.get("/metrics", headers=ada.headers).status_code == 404


@pytest.fixture
async def unable(settings: Settings) -> AsyncIterator[int]:
    """The port of an API that has no database."""
    port = free_port()
    away = {"database_url": f"postgresql://nobody@127.0.0.1:{free_port()}/x", "metrics_port": port}
    app = create_app(settings.model_copy(update=away))
    async with app.router.lifespan_context(app):
        yield port


async def test_without_a_database_the_rest_is_told_all_the_same(unable: int) -> None:
    async with httpx.AsyncClient(timeout=30) as http:
        told = (await http.get(f"http://127.0.0.1:{unable}/metrics")).text
    assert value(told, "queues_known") == 0
    assert value(told, "database_pool_max") == 8
    assert "jobs_waiting" not in told


async def test_redis_is_told_to_be_there_or_away(redis_server: LocalRedis) -> None:
    def told(redis: RedisServer | None) -> list[float]:
        return [sample.value for family in RedisCollector(redis).collect() for sample in family.samples]

    assert told(None) == []
    async with open_redis(redis_server.url) as redis:
        await eventually(lambda: told(redis) == [1])
        redis_server.kill()
        await eventually(lambda: told(redis) == [0])


async def test_several_processes_on_one_machine_take_the_ports_that_follow(settings: Settings) -> None:
    first = settings.model_copy(update={"metrics_port": free_port()})
    async with AsyncExitStack() as stack:
        ports = [await stack.enter_async_context(exposing_metrics(first, ())) for _ in range(2)]
        assert ports[1] is not None
        assert ports[0] == first.metrics_port < ports[1]
        async with httpx.AsyncClient() as http:
            for port in ports:
                assert (await http.get(f"http://127.0.0.1:{port}/metrics")).status_code == 200


@pytest.mark.parametrize("change", [{"metrics_port": 0}, {"metrics_host": "192.0.2.1"}], ids=["off", "elsewhere"])
async def test_what_cannot_be_listened_on_keeps_nobody_from_starting(
    settings: Settings, change: dict[str, Any]
) -> None:
    changed = settings.model_copy(update={"metrics_port": free_port(), **change})
    async with exposing_metrics(changed, ()) as port:
        assert port is None


async def test_the_port_is_free_again_afterwards(settings: Settings) -> None:
    changed = settings.model_copy(update={"metrics_port": free_port()})
    async with exposing_metrics(changed, ()) as port:
        assert port == changed.metrics_port

    def can_be_had() -> bool:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            return probe.connect_ex(("127.0.0.1", changed.metrics_port)) != 0

    await eventually(can_be_had)
