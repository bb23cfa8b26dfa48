"""The whole system as processes of their own, with a collector and with ports for Prometheus."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from api_gpu.__main__ import BACKLOG
from api_gpu.parent.server_process import LISTEN_FD
from api_main.core.settings import Settings
from api_main.migrations.setup import prepare_database
from local_stack.postgres import EmbeddedPostgres
from service_wire.service_token import generate_key, public_keys
from tests.conftest import API_PASSWORD
from tests.e2e.server import Server, running
from tests.jobs.working import worker_process, worker_settings
from tests.observability.collector import Collector
from tests.patience import PATIENCE, wait_until
from tests.people import Person, create_person
from tests.ports import free_port

DATABASE = "observed"
HEADER = "the-key-of-the-collector"


@dataclass
class System:
    admin: psycopg.Connection[Any]
    settings: Settings
    api: Server
    collector: Collector
    metrics_ports: list[int]
    logs: list[Path]

    def new_person(self) -> Person:
        return create_person(self.admin, self.settings)

    def metrics(self, process: int = 0) -> str:
        """What one of the processes tells Prometheus: the first is the API, the second the worker."""
        answer = httpx.get(f"http://127.0.0.1:{self.metrics_ports[process]}/metrics", timeout=PATIENCE)
        assert answer.status_code == 200
        return answer.text

    def is_complete(self) -> bool:
        """Whether the worker is there as well."""
        try:
            return bool(self.metrics(1))
        except httpx.TransportError:
            return False

    def written(self) -> str:
        return "".join(log.read_text(encoding="utf-8") for log in self.logs)


@pytest.fixture(scope="session")
def system(
    postgres: EmbeddedPostgres, settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    """On a database of its own: its worker must not take the jobs of other tests."""
    directory = tmp_path_factory.mktemp("system")
    collector, key = Collector(), generate_key()
    with ExitStack() as resources:
        admin = resources.enter_context(psycopg.connect(_own_database(postgres), autocommit=True))
        url = postgres.url(DATABASE, user="api_main", password=API_PASSWORD)
        settings = settings.model_copy(update={"database_url": url})
        variables = {
            "otel_exporter_otlp_endpoint": resources.enter_context(collector.serve()),
            "otel_exporter_otlp_headers": f"x-key={HEADER}",
            "otel_bsp_schedule_delay": "100",  # milliseconds between two exports
        }
        gpu_log = directory / "gpu.log"
        gpu_url = resources.enter_context(_api_gpu(key, gpu_log, {name.upper(): v for name, v in variables.items()}))
        ports = [free_port(), free_port()]
        gpu = {"gpu_url": gpu_url, "gpu_signing_key": json.dumps(key), "gpu_timeout": PATIENCE}
        shared = {**variables, **gpu, "slow_query_ms": 100, "log_format": "json"}
        log = directory / "worker.log"
        worker = worker_settings(settings, **gpu, metrics_port=ports[1])
        resources.enter_context(worker_process(worker, log, **shared))
        own = {"metrics_port": ports[0], "rate_limit_enabled": True, "rate_limits": json.dumps(settings.rate_limits)}
        api = resources.enter_context(running(settings, directory, **shared, **own))
        whole = System(admin, settings, api, collector, ports, [api.log, log, gpu_log])
        wait_until(whole.is_complete)
        yield whole


def _own_database(postgres: EmbeddedPostgres) -> str:
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"create database {DATABASE}")
    prepare_database(postgres.url(DATABASE), login_password=API_PASSWORD)
    return postgres.url(DATABASE)


@contextmanager
def _api_gpu(key: dict[str, Any], log: Path, variables: dict[str, str]) -> Iterator[str]:
    """The real one: its parent, asleep."""
    with socket.create_server(("127.0.0.1", 0), backlog=BACKLOG) as listener, log.open("wb") as output:
        environment = {
            LISTEN_FD: str(listener.fileno()),
            "SERVICE_TOKEN_KEYS": json.dumps(public_keys(key)),
            "DEVICE": "cpu",
            "MODELS_DIR": str(log.parent / "models"),
            "CACHE_DIR": str(log.parent / "cache"),
            "LOG_FORMAT": "json",
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "api_gpu"],
            env={**os.environ, **environment, **variables},
            cwd=log.parent,
            pass_fds=[listener.fileno()],
            stdout=output,
            stderr=output,
        )
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            process.terminate()
            process.wait(PATIENCE)
