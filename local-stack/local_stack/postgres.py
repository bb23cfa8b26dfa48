"""PostgreSQL 18 with pgvector in a directory of one's own, for development and for tests.

The wheel's own `get_server` is not used: it trusts every local connection and opens directories to everybody.
"""

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Literal, Self
from urllib.parse import quote

from local_stack import processes, programs
from local_stack.cluster import SUPERUSER, create_cluster
from local_stack.errors import StartError
from local_stack.postmaster import is_ready, stop_leftover
from local_stack.server_account import allow_traversal, hand_over, server_account

LOOPBACK = "127.0.0.1"
MAX_SOCKET_PATH = 103  # bytes; Linux has room for 107, macOS for 103
START_SECONDS = 60.0  # recovery after a crash is part of a start

StopMode = Literal["smart", "fast", "immediate"]
STOP_SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}


def free_port(preferred: int = 0) -> int:
    """Return a loopback TCP port that nobody listens on: the preferred one where possible."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise StartError("No TCP port is free on the loopback address.")


class EmbeddedPostgres:
    """One PostgreSQL server whose data, log and superuser password live in one directory.

    It listens on a Unix socket and on loopback TCP, both with SCRAM passwords. `port=0` takes
    `preferred_port` or any free one at the first start and keeps it from then on. `options` are settings of
    the server, such as `{"fsync": "off"}`. A server that was left over in the directory is stopped first.
    With `die_with_parent` (Linux, main thread) the kernel stops the server when this process is gone.

    Raises StartError with one sentence when the server does not come up.
    """

    def __init__(
        self,
        directory: Path,
        *,
        port: int = 0,
        preferred_port: int = 0,
        options: Mapping[str, str] = MappingProxyType({}),
        die_with_parent: bool = False,
    ) -> None:
        self.directory = directory.resolve()
        self.cluster = self.directory / "cluster"
        self.log = self.directory / "postgres.log"
        self.port = port
        self._preferred_port = preferred_port
        self._options = dict(options)
        self._die_with_parent = die_with_parent
        self._password_file = self.directory / "superuser-password"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """The postmaster's process id while it runs."""
        running = self._process is not None and self._process.poll() is None
        return self._process.pid if self._process is not None and running else None

    @property
    def is_running(self) -> bool:
        return self.pid is not None

    @property
    def password(self) -> str:
        """The superuser's password."""
        return self._password_file.read_text(encoding="utf-8").strip()

    @cached_property
    def socket_directory(self) -> Path:
        """Where the Unix socket lies: with the data, or, where that path is too long, in the temp folder."""
        if len(os.fsencode(self.cluster / ".s.PGSQL.65535")) <= MAX_SOCKET_PATH:
            return self.cluster
        digest = hashlib.sha256(os.fsencode(self.cluster)).hexdigest()[:16]
        return Path(tempfile.gettempdir()).resolve() / f"postgres-{digest}"

    def url(self, database: str = SUPERUSER, user: str = SUPERUSER, password: str | None = None) -> str:
        """Return a libpq URL over the Unix socket. The superuser's password need not be given."""
        where = f"?host={quote(str(self.socket_directory))}&port={self.port}"
        return f"postgresql://{self._login(user, password)}@/{quote(database, safe='')}{where}"

    def tcp_url(self, database: str = SUPERUSER, user: str = SUPERUSER, password: str | None = None) -> str:
        """Return a libpq URL over loopback TCP. The superuser's password need not be given."""
        login = self._login(user, password)
        return f"postgresql://{login}@{LOOPBACK}:{self.port}/{quote(database, safe='')}"

    def _login(self, user: str, password: str | None) -> str:
        if password is None and user == SUPERUSER:
            password = self.password
        return quote(user, safe="") + ("" if password is None else f":{quote(password, safe='')}")

    def start(self) -> None:
        """Start the server, creating its data first where there is none, and return when it answers."""
        if self.is_running:
            return
        self._prepare_directory()
        if self.cluster.exists():
            stop_leftover(self.cluster)
        else:
            sync = self._options.get("fsync") != "off"
            create_cluster(self.cluster, password_file=self._password_file, log=self.log, sync=sync)
        self._prepare_socket_directory()
        self._launch()

    def stop(self, mode: StopMode = "fast") -> None:
        """Stop the server and wait for its end; one that does not obey is stopped harder."""
        if self._process is None:
            return
        for number, seconds in ((STOP_SIGNALS[mode], 10.0), (signal.SIGQUIT, 3.0)):
            self._process.send_signal(number)
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                continue
            break
        self.kill()

    def kill(self) -> None:
        """SIGKILL the server and its children at once, as a crash would."""
        if self._process is None:
            return
        if self.is_running:
            members = processes.family(self._process.pid)
            for member in members:
                processes.signal(member, signal.SIGKILL)
            self._process.wait()
            processes.wait_gone(members, 5.0)
        self._process = None
        if self.socket_directory != self.cluster:
            shutil.rmtree(self.socket_directory, ignore_errors=True)

    def _prepare_directory(self) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if server_account() is not None:
            allow_traversal(self.cluster)
            allow_traversal(programs.binary("postgres"))

    def _prepare_socket_directory(self) -> None:
        directory, account = self.socket_directory, server_account()
        if directory != self.cluster:
            directory.mkdir(mode=0o700, exist_ok=True)
            owners = {os.geteuid(), account.pw_uid if account else os.geteuid()}
            if directory.is_symlink() or directory.stat().st_uid not in owners:
                raise StartError(f"{directory} belongs to somebody else: remove it, or use a shorter path.")
            hand_over(directory, account)
        for stale in directory.glob(".s.PGSQL.*"):
            stale.unlink()

    def _launch(self) -> None:
        for _attempt in range(5):
            port = self.port or free_port(self._preferred_port)
            position = programs.log_size(self.log)
            command = self._command(port)
            self._process = programs.spawn(command, self.log, die_with_parent=self._die_with_parent)
            if self._wait_until_ready():
                self.port = port
                return
            self.kill()
            complaint = programs.complaint(self.log, position)
            if self.port or "TCP/IP socket" not in complaint:  # somebody else may take a free port first
                break
        raise StartError(f"PostgreSQL did not start: {complaint} (see {self.log}).")

    def _command(self, port: int) -> list[str | Path]:
        options = {"listen_addresses": LOOPBACK, "unix_socket_permissions": "0700", **self._options}
        settings = [f"--{name}={value}" for name, value in options.items()]
        where = ["-D", str(self.cluster), "-p", str(port), "-k", str(self.socket_directory)]
        return [programs.binary("postgres"), *where, *settings]

    def _wait_until_ready(self) -> bool:
        deadline = time.monotonic() + START_SECONDS
        while (pid := self.pid) is not None and time.monotonic() < deadline:
            if is_ready(self.cluster, pid):
                return True
            time.sleep(0.01)
        return False
