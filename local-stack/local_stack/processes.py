"""Other programs' processes: find them, see whether they still run, end them for good."""

import contextlib
import time
from collections.abc import Callable, Iterable

from psutil import (  # type: ignore[import-untyped]
    STATUS_ZOMBIE,
    Error,
    NoSuchProcess,
    Process,
    process_iter,
)

__all__ = ["Process", "command", "family", "find", "runs", "signal", "wait_gone"]


def find(matches: Callable[[Process], bool]) -> list[Process]:
    """Return the running processes that match; what we may not look at does not match."""
    found = []
    for process in process_iter():
        with contextlib.suppress(Error, OSError):
            if matches(process):
                found.append(process)
    return found


def family(pid: int) -> list[Process]:
    """Return a process and all its descendants; nothing where it is gone."""
    try:
        process = Process(pid)
        return [process, *process.children(recursive=True)]
    except NoSuchProcess:
        return []


def command(process: Process) -> str:
    """Return the command line; nothing where the process is gone."""
    with contextlib.suppress(NoSuchProcess):
        return " ".join(process.cmdline())
    return ""


def signal(process: Process, number: int) -> None:
    """Send a signal, unless the process is gone."""
    with contextlib.suppress(NoSuchProcess):
        process.send_signal(number)


def runs(process: Process) -> bool:
    """Tell whether it still runs. A zombie does not: only its parent can make it disappear."""
    try:
        return bool(process.is_running() and process.status() != STATUS_ZOMBIE)
    except NoSuchProcess:
        return False


def wait_gone(processes: Iterable[Process], seconds: float) -> bool:
    """Wait until none of the processes runs, and tell whether that came true in time."""
    deadline = time.monotonic() + seconds
    remaining = [process for process in processes if runs(process)]
    while remaining and time.monotonic() < deadline:
        time.sleep(0.02)
        remaining = [process for process in remaining if runs(process)]
    return not remaining
