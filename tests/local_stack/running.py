"""`./scripts/dev` as a process under test."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from local_stack import processes
from local_stack.configuration import ROOT
from tests.measured import run_module
from tests.patience import PATIENCE, wait_until
from tests.ports import free_port

STAND_IN = "tests.local_stack.stand_in:app"
# A worker that has nothing to do. Its command line says whose it is, as the real one's does.
IDLE = "from signal import *; signal(SIGINT, SIG_DFL); pause()  # instead of api_main"
INHERITED = ("PATH", "HOME", "LANG", "TMPDIR")


class Stack:
    """One run, in a session of its own as a terminal would give it; its output goes to a file.

    What is not `real` has stand-ins for the API and for the worker, which start at once.
    """

    def __init__(
        self,
        data: Path,
        *,
        real: bool = False,
        python: Sequence[str] = (sys.executable,),
        **environment: str | int,
    ) -> None:
        self.data = data
        self.port = int(environment.get("PORT", 0)) or free_port()
        handle, name = tempfile.mkstemp(suffix=".output")
        self.output = Path(name)
        settings = {"DATA_DIR": str(data), **environment, "PORT": self.port}
        stand_ins = f"{STAND_IN!r}, shlex.join([sys.executable, '-c', {IDLE!r}])"
        code = f"import shlex, sys; from local_stack.dev import main; sys.exit(main({stand_ins}))"
        with os.fdopen(handle, "wb") as output:
            self.process = subprocess.Popen(
                [*python, *(run_module("local_stack.dev") if real else ["-c", code])],
                cwd=ROOT,
                env=_inherited() | {name: str(value) for name, value in settings.items()},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.family: list[processes.Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self.family or processes.family(self.process.pid):
            processes.signal(process, signal.SIGKILL)
        self.process.wait()
        self.output.unlink()

    @property
    def text(self) -> str:
        return self.output.read_text(encoding="utf-8")

    def wait_until_shown(self) -> Self:
        """Wait for the table, and remember every process that runs by then."""
        self.wait_until_said(r"^  Stop +Ctrl-C$")
        self.family = processes.family(self.process.pid)
        return self

    def wait_until_said(self, pattern: str) -> None:
        def is_said() -> bool:
            assert self.process.poll() is None, self.text
            return re.search(pattern, self.text, re.MULTILINE) is not None

        wait_until(is_said)

    def shown(self, name: str) -> str:
        """Return a line of the table."""
        found = re.search(rf"^  {name} +(.+)$", self.text, re.MULTILINE)
        assert found, self.text
        return found[1]

    def child(self, program: str) -> processes.Process:
        """Return the child that runs a program: `uvicorn`, `postgres` or `api_gpu`."""
        wanted = [member for member in self.family[1:] if program in processes.command(member)]
        return min(wanted, key=lambda member: float(member.create_time()))

    def get(self, path: str) -> int:
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=PATIENCE).status_code

    def interrupt(self) -> int:
        """Do what Ctrl-C does: SIGINT for the whole process group of the terminal."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.exit_code()

    def exit_code(self) -> int:
        return self.process.wait(PATIENCE)

    def is_gone(self) -> bool:
        """Tell whether none of the remembered processes runs any more."""
        return processes.wait_gone(self.family, PATIENCE)


def _inherited() -> dict[str, str]:
    return {name: os.environ[name] for name in INHERITED if name in os.environ}
