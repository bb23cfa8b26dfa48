"""PostgreSQL servers of the tests' own: the embedded 18 and Debian's 15, with fresh databases on them."""

import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg
from psycopg import sql

from local_stack import programs
from local_stack.postgres import EmbeddedPostgres, free_port
from local_stack.postmaster import is_ready
from local_stack.server_account import allow_traversal, hand_over, server_account
from tests.patience import PATIENCE, wait_until

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
PASSWORD = "administrator-password"


@dataclass(frozen=True)
class Server:
    """A running server, reached over loopback TCP as every tool can."""

    major: int
    port: int
    password: str
    _numbers: Iterator[int] = field(default_factory=count, repr=False)

    def url(self, database: str = "postgres", user: str = "postgres", password: str | None = None) -> str:
        return f"postgresql://{user}:{password or self.password}@127.0.0.1:{self.port}/{database}"

    def new_database(self, owner: str = "postgres") -> str:
        """Create an empty database and return its name."""
        name = f"fresh_{next(self._numbers)}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            statement = sql.SQL("create database {} owner {}").format(sql.Identifier(name), sql.Identifier(owner))
            connection.execute(statement)
        return name


@contextmanager
def embedded_18(directory: Path) -> Iterator[Server]:
    with EmbeddedPostgres(directory, options=FORGETFUL) as server:
        yield Server(18, server.port, server.password)


@contextmanager
def debian_15(directory: Path) -> Iterator[Server]:
    """A cluster of Debian's PostgreSQL 15, in this directory alone."""
    cluster, log = directory / "cluster", directory / "postgres.log"
    _create_cluster(cluster, log)
    port = free_port()
    settings = [f"--{name}={value}" for name, value in FORGETFUL.items()]
    where = [f"-D{cluster}", f"-k{cluster}", f"-p{port}", "--listen_addresses=127.0.0.1"]
    process = programs.spawn([DEBIAN_15 / "postgres", *where, *settings], log)
    try:
        _wait_until_ready(process, cluster, log)
        yield Server(15, port, PASSWORD)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)


def _create_cluster(cluster: Path, log: Path) -> None:
    cluster.mkdir(mode=0o700, parents=True)
    password_file = cluster.with_name("password")
    password_file.write_text(PASSWORD, encoding="utf-8")
    for path in (cluster, password_file):
        hand_over(path, server_account())
    if server_account() is not None:
        allow_traversal(cluster)
    options = ["-U", "postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
    _run([DEBIAN_15 / "initdb", "-D", cluster, f"--pwfile={password_file}", *options], log)


def _run(command: Sequence[str | Path], log: Path) -> None:
    assert programs.spawn(command, log).wait() == 0, log.read_text(encoding="utf-8")


def _wait_until_ready(process: subprocess.Popen[bytes], cluster: Path, log: Path) -> None:
    def is_up() -> bool:
        assert process.poll() is None, log.read_text(encoding="utf-8")
        return is_ready(cluster, process.pid)

    wait_until(is_up)
