"""What a data directory tells about the PostgreSQL server that runs, or once ran, in it."""

import signal
from pathlib import Path

from local_stack import processes

# Fast, then immediate (pg_ctl, "stop"), then none: and the seconds that each is given.
PATIENCE = ((signal.SIGINT, 8.0), (signal.SIGQUIT, 4.0), (signal.SIGKILL, 4.0))
STATUS_LINE = 7


def is_ready(cluster: Path, pid: int) -> bool:
    """Tell whether the server with this process id accepts connections (postmaster.pid, line 8)."""
    lines = _pid_file_lines(cluster)
    return len(lines) > STATUS_LINE and lines[0] == str(pid) and lines[STATUS_LINE].strip() == "ready"


def stop_leftover(cluster: Path) -> None:
    """Stop a server that outlived the program that started it, and remove a pid file that nobody owns.

    PostgreSQL believes a stale pid file when its process id has been given to another process since.
    """
    lines = _pid_file_lines(cluster)
    if lines:
        _stop(_servers_in(cluster), lines[0])
    (cluster / "postmaster.pid").unlink(missing_ok=True)


def _pid_file_lines(cluster: Path) -> list[str]:
    try:
        return (cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []


def _servers_in(cluster: Path) -> list[processes.Process]:
    return processes.find(lambda process: process.name() == "postgres" and process.cwd() == str(cluster))


def _stop(servers: list[processes.Process], postmaster: str) -> None:
    for number, seconds in PATIENCE:
        for process in servers:
            # Children leave with their postmaster; what is left after that is an orphan of a crash.
            if number == signal.SIGKILL or str(process.pid) == postmaster:
                processes.signal(process, number)
        if processes.wait_gone(servers, seconds):
            return
