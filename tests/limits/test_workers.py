"""Two workers of one server count together, and keep what they know of sessions together."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from api_main.core.settings import Settings
from tests.e2e.server import Server, running
from tests.patience import PATIENCE, wait_until
from tests.people import Person
from tests.redis_server import LocalRedis

TASKS = "/api/v1/tasks"
AMOUNT = 40


def connections_after_asking(server: Server, redis: LocalRedis) -> int:
    """Ask so much at once that one worker does not answer it all.

    Four, when both workers have asked Redis: each worker's commands, and each worker's watch.
    """
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(server.get, [TASKS] * 16))
    return int(redis.command("CLIENT", "LIST").decode().count("name=api-main"))


def test_two_workers_count_together(settings: Settings, redis_server: LocalRedis, tmp_path: Path, ada: Person) -> None:
    limits = json.dumps({"default": f"{AMOUNT}/hour"})
    changes = {"rate_limit_enabled": "true", "rate_limits": limits, "web_concurrency": 2, "metrics_port": 0}
    with running(settings, tmp_path, redis_url=redis_server.url, log_level="INFO", **changes) as server:
        try:
            wait_until(lambda: server.written().count('"event": "started"') == 2)
            wait_until(lambda: connections_after_asking(server, redis_server) >= 4)  # to ask first takes longest
            redis_server.command("FLUSHALL")
            left = [int(server.get(TASKS, headers=ada.headers).headers["RateLimit-Remaining"]) for _ in range(AMOUNT)]
            assert left == list(range(AMOUNT - 1, -1, -1))
            assert {server.get(TASKS, headers=ada.headers).status_code for _ in range(6)} == {429}
        finally:
            server.process.terminate()
            server.process.wait(PATIENCE)
