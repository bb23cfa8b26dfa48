"""PostgreSQL servers whose superuser is `supabase_admin`, as on Supabase: the embedded 18 and Debian's 15."""

import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local_stack import programs
from local_stack.postgres import free_port
from local_stack.postmaster import is_ready
from local_stack.server_account import allow_traversal, hand_over, server_account
from tests.missing import missing
from tests.patience import PATIENCE, wait_until

PROGRAMS = {15: Path("/usr/lib/postgresql/15/bin"), 18: programs.binary("postgres").parent}
SUPERUSER = "supabase_admin"
PASSWORD = "of-supabase"
FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class Server:
    """A running server, on loopback TCP."""

    major: int
    port: int

    def url(self, database: str, user: str = SUPERUSER, password: str = PASSWORD) -> str:
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"


def require(is_there: bool, what: str) -> None:
    """Skip the test where a tool is missing."""
    if not is_there:
        missing(f"{what} is not installed")


@contextmanager
def start_server(major: int, directory: Path) -> Iterator[Server]:
    """A new cluster of a major version, with its data in this directory alone."""
    require((PROGRAMS[major] / "postgres").exists(), f"PostgreSQL {major}")
    cluster, log, port = directory / "cluster", directory / "postgres.log", free_port()
    _create_cluster(PROGRAMS[major] / "initdb", cluster, log)
    where = [f"-D{cluster}", f"-k{cluster}", f"-p{port}", "--listen_addresses=127.0.0.1"]
    settings = [f"--{name}={value}" for name, value in FORGETFUL.items()]
    process = programs.spawn([PROGRAMS[major] / "postgres", *where, *settings], log)
    try:
        _wait_until_ready(process, cluster, log)
        yield Server(major, port)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)


def _create_cluster(initdb: Path, cluster: Path, log: Path) -> None:
    cluster.mkdir(mode=0o700, parents=True)
    password_file = cluster.with_name("password")
    password_file.write_text(PASSWORD, encoding="utf-8")
    for path in (cluster, password_file):
        hand_over(path, server_account())
    if server_account() is not None:
        allow_traversal(cluster)
    options = ["-U", SUPERUSER, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]
    _run([initdb, "-D", cluster, f"--pwfile={password_file}", *options], log)


def _run(command: Sequence[str | Path], log: Path) -> None:
    assert programs.spawn(command, log).wait() == 0, log.read_text(encoding="utf-8")


def _wait_until_ready(process: subprocess.Popen[bytes], cluster: Path, log: Path) -> None:
    def is_up() -> bool:
        assert process.poll() is None, log.read_text(encoding="utf-8")
        return is_ready(cluster, process.pid)

    wait_until(is_up)
