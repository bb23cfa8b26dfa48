"""PostgreSQL servers of the tests' own, from the oldest version that we support to the newest: Debian's 15 and the
embedded 18. Their superuser may be called as on Supabase.
"""

import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg
from psycopg import sql

from local_stack import programs
from local_stack.postmaster import is_ready
from local_stack.server_account import allow_traversal, hand_over, server_account
from tests.missing import missing
from tests.patience import PATIENCE, wait_until
from tests.ports import free_port

PROGRAMS = {15: Path("/usr/lib/postgresql/15/bin"), 18: programs.binary("postgres").parent}
OF_SUPABASE = "supabase_admin"
PASSWORD = "of-the-administrator"
FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class Server:
    """A running server, reached over loopback TCP as every tool can."""

    major: int
    port: int
    superuser: str
    _numbers: Iterator[int] = field(default_factory=count, repr=False)

    def url(self, database: str = "postgres", user: str | None = None, password: str = PASSWORD) -> str:
        return f"postgresql://{user or self.superuser}:{password}@127.0.0.1:{self.port}/{database}"

    def new_database(self, name: str | None = None, owner: str | None = None) -> str:
        """Create an empty database and return its name."""
        name = name or f"fresh_{next(self._numbers)}"
        identifiers = (sql.Identifier(name), sql.Identifier(owner or self.superuser))
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(sql.SQL("create database {} owner {}").format(*identifiers))
        return name


def require(is_there: bool, what: str) -> None:
    """Skip the test where a tool is missing."""
    if not is_there:
        missing(f"{what} is not installed")


@contextmanager
def start_server(
    major: int, directory: Path, superuser: str = "postgres", options: Mapping[str, str] = FORGETFUL
) -> Iterator[Server]:
    """A new cluster of a major version, with its data in this directory alone."""
    require((PROGRAMS[major] / "postgres").exists(), f"PostgreSQL {major}")
    cluster, log, port = directory / "cluster", directory / "postgres.log", free_port()
    _create_cluster(PROGRAMS[major] / "initdb", cluster, log, superuser)
    where = [f"-D{cluster}", f"-k{cluster}", f"-p{port}", "--listen_addresses=127.0.0.1"]
    settings = [f"--{name}={value}" for name, value in options.items()]
    process = programs.spawn([PROGRAMS[major] / "postgres", *where, *settings], log)
    try:
        _wait_until_ready(process, cluster, log)
        yield Server(major, port, superuser)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)


def _create_cluster(initdb: Path, cluster: Path, log: Path, superuser: str) -> None:
    cluster.mkdir(mode=0o700, parents=True)
    password_file = cluster.with_name("password")
    password_file.write_text(PASSWORD, encoding="utf-8")
    for path in (cluster, password_file):
        hand_over(path, server_account())
    if server_account() is not None:
        allow_traversal(cluster)
    options = ["-U", superuser, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]
    _run([initdb, "-D", cluster, f"--pwfile={password_file}", *options], log)


def _run(command: Sequence[str | Path], log: Path) -> None:
    assert programs.spawn(command, log).wait() == 0, log.read_text(encoding="utf-8")


def _wait_until_ready(process: subprocess.Popen[bytes], cluster: Path, log: Path) -> None:
    def is_up() -> bool:
        assert process.poll() is None, log.read_text(encoding="utf-8")
        return is_ready(cluster, process.pid)

    wait_until(is_up)
