"""`./scripts/bench dashboard [--quick]`: a million tasks of 100,000 users in numbers, counted and from the cache."""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from statistics import median, quantiles

import httpx
import psycopg

from api_main.core.database import Database
from api_main.core.prelude import Identity
from api_main.core.settings import Settings
from api_main.dashboard import queries
from api_main.main import create_app
from api_main.migrations.setup import prepare_database
from local_stack.postgres import EmbeddedPostgres
from tests.benchmarks.dataset import PUBLIC_URL, Caller, callers, fill, new_signing_keys
from tests.benchmarks.report import Table, processor

USERS, TASKS = 100_000, 1_000_000
QUICK_USERS, QUICK_TASKS = 1_000, 20_000
ROUNDS = 25
REQUESTS, WRITES = 40, 16  # in each round: those are short
PASSWORD = "of-the-api"
OPTIONS = {"shared_buffers": "512MB", "max_wal_size": "4GB"}
COLUMNS = ("", "p50 ms", "p95 ms")
TRIGGERS = ("count_new_tasks", "count_changed_tasks", "count_deleted_tasks")
WRITE = "insert into public.tasks (owner_id, title) values (%s, 'measured')"

Row = tuple[str, ...]


def benchmark(users: int, tasks: int, rounds: int = ROUNDS) -> Iterator[str]:
    """The parts of the report, each as soon as it is known."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder, "data"), options=OPTIONS) as server:
        prepare_database(server.url(), login_password=PASSWORD)
        fill(server.url(), users=users, tasks=tasks)
        keys = new_signing_keys()
        root, ada = callers(2, keys)
        with psycopg.connect(server.url(), autocommit=True) as admin:
            admin.execute("update public.profiles set is_superuser = true where id = %s", (root.id,))
            yield f"{processor()}; {users:,} users, {tasks:,} tasks."
            settings = Settings(
                _env_file=None,
                environment="test",
                database_url=server.url(user="api_main", password=PASSWORD),
                jwt_signing_keys=keys,
                public_url=PUBLIC_URL,
                rate_limit_enabled=False,
                metrics_port=0,
                log_level="WARNING",
            )
            rows = asyncio.run(_answers(settings, admin, root, ada, rounds))
            yield str(Table("Answers.", COLUMNS, rows))
            yield str(
                Table("One new task, committed, with the counting and without.", COLUMNS, _writes(admin, ada, rounds))
            )


async def _answers(
    settings: Settings, admin: psycopg.Connection[tuple[object, ...]], root: Caller, ada: Caller, rounds: int
) -> list[Row]:
    app = create_app(settings)
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://t") as http:
        database: Database = app.state.database

        def ask(caller: Caller) -> Callable[[], Awaitable[object]]:
            headers = {"Authorization": f"Bearer {caller.token}"}
            return lambda: http.get("/api/v1/dashboard/stats", headers=headers)

        def count(caller: Caller) -> Callable[[], Awaitable[object]]:
            identity = Identity("authenticated", json.dumps({"sub": str(caller.id), "role": "authenticated"}))
            return lambda: database.reader(identity).fetch(queries.NUMBERS)

        rows = [
            await _measure("everybody's, counted, as noted", count(root), rounds),
            await _measure("one's own, counted", count(ada), rounds),
        ]
        admin.execute("select private.add_up_task_counts()")
        rows.append(await _measure("everybody's, counted, added up", count(root), rounds))
        rows.append(await _measure("everybody's, from the cache, the whole request", ask(root), rounds * REQUESTS))
        rows.append(await _measure("one's own, from the cache, the whole request", ask(ada), rounds * REQUESTS))
    return rows


async def _measure(name: str, work: Callable[[], Awaitable[object]], times: int) -> Row:
    await work()
    seconds = list[float]()
    for _ in range(times):
        started = time.perf_counter()
        await work()
        seconds.append(time.perf_counter() - started)
    return _row(name, seconds)


def _writes(admin: psycopg.Connection[tuple[object, ...]], ada: Caller, rounds: int) -> list[Row]:
    """In turns, so that both meet the same moods of the machine."""
    seconds: dict[str, list[float]] = {"enable": [], "disable": []}
    for _ in range(rounds):
        for what, measured in seconds.items():
            for trigger in TRIGGERS:
                admin.execute(f"alter table public.tasks {what} trigger {trigger}".encode())
            for _ in range(WRITES):
                started = time.perf_counter()
                admin.execute(WRITE, (ada.id,))
                measured.append(time.perf_counter() - started)
    return [_row("with", seconds["enable"]), _row("without", seconds["disable"])]


def _row(name: str, seconds: list[float]) -> Row:
    return name, f"{median(seconds) * 1000:.2f}", f"{quantiles(seconds, n=20)[18] * 1000:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench dashboard", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="1,000 users and 20,000 tasks")
    quick = parser.parse_args().quick
    for part in benchmark(QUICK_USERS if quick else USERS, QUICK_TASKS if quick else TASKS):
        print(part, flush=True)


if __name__ == "__main__":
    main()
