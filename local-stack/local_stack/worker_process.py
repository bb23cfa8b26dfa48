"""The worker of background jobs as a child, begun anew whenever its code changes."""

import shlex
import sys
from pathlib import Path

from local_stack.background_process import GRACE_SECONDS, BackgroundProcess

WORK = shlex.join([sys.executable, "-m", "api_main", "work"])


class WorkerProcess(BackgroundProcess):
    """A running worker. One that ends by itself is begun again with the next change of its code."""

    def __init__(self, record: Path, work: str = WORK) -> None:
        super().__init__(record, "api_main")
        self._work = work

    def start(self, environment: dict[str, str]) -> None:
        """Start it and return at once; it waits by itself until there is a database."""
        how = ["--filter", "python", "--target-type", "command", "--sigint-timeout", str(GRACE_SECONDS)]
        defaults = {"JOBS_GRACE_SECONDS": "2", "METRICS_PORT": "9564"}
        self.spawn(
            [sys.executable, "-m", "watchfiles", *how, "--verbosity", "warning", self._work, "api-main/api_main"],
            defaults | environment,
        )
