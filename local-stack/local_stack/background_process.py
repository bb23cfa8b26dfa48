"""A program of ours as a child, in a process group of its own, so that all of it can be ended."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from local_stack import processes
from local_stack.configuration import ROOT
from local_stack.parent_death import signal_on_parent_death

GRACE_SECONDS = 3  # for what is under way, such as event streams, when a program is told to stop
CLOCK_SECONDS = 5.0  # between the note of a start and the kernel's own


class BackgroundProcess:
    """A running program, and the record of it by which the next start finds what a `kill -9` left over."""

    def __init__(self, record: Path, program: str) -> None:
        """`program` stands in the command line of its processes."""
        self._record, self._program = record, program
        self._process: subprocess.Popen[bytes] | None = None

    def spawn(self, command: Sequence[str], environment: dict[str, str], descriptors: Sequence[int] = ()) -> None:
        """Start the program, with these open files inherited, and return at once."""
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            pass_fds=descriptors,
            start_new_session=True,
            preexec_fn=signal_on_parent_death(signal.SIGTERM),  # noqa: PLW1509  there is one thread
        )
        group = {"group": self._process.pid, "started": time.time()}
        self._record.write_text(json.dumps(group), encoding="utf-8")

    @property
    def pid(self) -> int | None:
        """Its number; None before it was started."""
        return self._process.pid if self._process else None

    def exit_code(self) -> int | None:
        """Return the program's exit code once it has ended."""
        return self._process.poll() if self._process else None

    def stop(self) -> None:
        """Ask the program to stop, and end what has not stopped in time."""
        if self._process is None:
            return
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_SECONDS + 2)
        _end(processes.find(_in_group(self._process.pid)))
        self._process.wait()
        self._record.unlink(missing_ok=True)

    def stop_leftover(self) -> None:
        """End the program of an earlier start in this data directory that nobody stopped."""
        try:
            record = json.loads(self._record.read_text(encoding="utf-8"))
            group, started = int(record["group"]), float(record["started"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return
        _end(self._survivors(group, started))
        self._record.unlink(missing_ok=True)

    def _survivors(self, group: int, started: float) -> list[processes.Process]:
        """Return what is left of a process group, unless its number belongs to somebody else by now."""
        leader = processes.family(group)[:1]
        if leader and abs(leader[0].create_time() - started) > CLOCK_SECONDS:
            return []
        in_group = _in_group(group)
        return processes.find(lambda process: in_group(process) and self._is_ours(process.cmdline()))

    def _is_ours(self, command: list[str]) -> bool:
        # The child of a reloader bears another name.
        return any(self._program in part or "multiprocessing" in part for part in command)


def _in_group(group: int) -> Callable[[processes.Process], bool]:
    return lambda process: os.getpgid(process.pid) == group


def _end(members: list[processes.Process]) -> None:
    for number, seconds in ((signal.SIGTERM, GRACE_SECONDS + 1.0), (signal.SIGKILL, 3.0)):
        for member in members:
            processes.signal(member, number)
        if processes.wait_gone(members, seconds):
            return
