"""A PostgreSQL server with data, and the way to ask something that runs on it."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from api_main.migrations.setup import prepare_database
from local_stack.postgres import EmbeddedPostgres
from tests.benchmarks.dataset import fill, new_signing_keys
from tests.benchmarks.load import Load, Outcome, Question
from tests.benchmarks.servers import ROOT, Server, api, proxy

API_PASSWORD = "api-main-password"
OPTIONS = {"shared_buffers": "512MB", "max_wal_size": "4GB", "max_connections": "100"}


@dataclass(frozen=True)
class Laboratory:
    """Databases by name, all on one server; and one key that signs everybody's tokens."""

    postgres: EmbeddedPostgres
    signing_keys: str

    def create_database(self, name: str, *, users: int, tasks: int) -> None:
        with psycopg.connect(self.postgres.url(), autocommit=True) as admin:
            admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        prepare_database(self.postgres.url(name), login_password=API_PASSWORD)
        fill(self.postgres.url(name), users=users, tasks=tasks)

    def login_url(self, database: str) -> str:
        """The address of the API's login, over the Unix socket."""
        return self.postgres.url(database, "api_main", API_PASSWORD)

    @contextmanager
    def api(self, candidate: str, database: str) -> Iterator[Server]:
        with api(candidate, self.login_url(database), self.signing_keys) as server:
            yield server

    @contextmanager
    def distant_api(self, candidate: str, database: str, delay: float) -> Iterator[Server]:
        """The same, over a proxy that adds a delay, in seconds, to each direction."""
        near = self.postgres.tcp_url(database, "api_main", API_PASSWORD)
        with proxy(self.postgres.port, delay) as way:
            far = near.replace(f":{self.postgres.port}/", f":{way.port}/")
            with api(candidate, far, self.signing_keys) as server:
                yield server


@contextmanager
def laboratory() -> Iterator[Laboratory]:
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder, "data"), options=OPTIONS) as postgres:
        yield Laboratory(postgres, new_signing_keys())


def ask(server: Server, questions: Sequence[Question], *, connections: int, warm_up: int, seconds: float) -> Outcome:
    """Put load on a server, from a process of its own."""
    server.wait_until_it_listens()
    load = Load(
        port=server.port,
        process=server.process.pid,
        questions=list(questions),
        connections=connections,
        warm_up=warm_up,
        seconds=seconds,
    )
    program = [sys.executable, "-m", "tests.benchmarks.load"]
    finished = subprocess.run(
        program,
        cwd=ROOT,
        input=load.model_dump_json().encode(),
        stdout=subprocess.PIPE,
        timeout=seconds + 120,
        check=True,
    )
    return Outcome.model_validate_json(finished.stdout)
