"""PgBouncer in transaction mode, as a process of the tests' own."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local_stack.postgres import LOOPBACK, EmbeddedPostgres
from local_stack.server_account import allow_traversal, hand_over, popen_account, server_account
from tests.patience import PATIENCE
from tests.ports import free_port

PROGRAM = Path("/usr/sbin/pgbouncer")
POOL_SIZE = 4

CONFIGURATION = """
[databases]
postgres = host={loopback} port={postgres_port} dbname=postgres
[pgbouncer]
listen_addr = {loopback}
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 100
logfile = {log}
"""


@contextmanager
def pgbouncer(directory: Path, postgres: EmbeddedPostgres, user: str, password: str) -> Iterator[str]:
    """The address of `postgres` behind a pooler that shares a few server connections among all transactions."""
    port, account = free_port(), server_account()
    users, configuration, log = (directory / name for name in ("users.txt", "pgbouncer.ini", "pgbouncer.log"))
    users.write_text(f'"{user}" "{password}"\n')
    configuration.write_text(
        CONFIGURATION.format(
            loopback=LOOPBACK, postgres_port=postgres.port, port=port, users=users, pool_size=POOL_SIZE, log=log
        )
    )
    log.touch()
    for path in (directory, users, configuration, log):
        hand_over(path, account)
    allow_traversal(configuration)
    process = subprocess.Popen(
        [PROGRAM, "-q", configuration],
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **popen_account(account),
    )
    try:
        _wait_until_it_listens(port, process, log)
        yield f"postgresql://{user}:{password}@{LOOPBACK}:{port}/postgres"
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _wait_until_it_listens(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex((LOOPBACK, port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"PgBouncer does not listen: {log.read_text()}")
