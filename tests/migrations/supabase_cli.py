"""The Supabase CLI that package.json pins, installed into `node_modules` when a test first asks for it."""

import fcntl
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from api_main.migrations.files import DIRECTORY
from tests.missing import missing

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "node_modules" / "supabase" / "package.json"
SECONDS = 300


def install() -> Path:
    """Return the program; `npm ci` brings it where it is missing or has another version than the lock's."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        missing("Node is not installed, which the Supabase CLI needs")
    with (ROOT / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in parallel
        if not _is_installed():
            done = subprocess.run([npm, "ci"], cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
            if done.returncode != 0:
                missing(f"npm could not install the Supabase CLI: {done.stderr.strip()[-300:]}")
    return ROOT / "node_modules" / ".bin" / "supabase"


def _is_installed() -> bool:
    wanted = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))["devDependencies"]["supabase"]
    return PACKAGE.exists() and json.loads(PACKAGE.read_text(encoding="utf-8"))["version"] == wanted


class SupabaseCli:
    """Runs commands against a database by its URL: without a login, a linked project or Docker.

    Attributes:
        migrations: the folder that it pushes from, with a copy of our files to add to or to take from.
    """

    def __init__(self, program: Path, directory: Path) -> None:
        self._program, self._directory = program, directory
        self.migrations = directory / "supabase" / "migrations"
        shutil.copytree(DIRECTORY, self.migrations)

    def with_migrations(self, directory: Path, count: int) -> "SupabaseCli":
        """The same program, where only the first so many migrations are known."""
        other = SupabaseCli(self._program, directory)
        for later in sorted(other.migrations.iterdir())[count:]:
            later.unlink()
        return other

    def push(self, url: str) -> dict[str, Any]:
        """Apply what is missing, and return what the CLI says that it did."""
        outcome: dict[str, Any] = self._run("push", url, "--yes")
        return outcome

    def advisors(self, url: str) -> list[dict[str, Any]]:
        """What Supabase's linter finds at level `warn` or above, in security and in performance."""
        answer = self._run("advisors", url, "--type=all", "--level=warn", "--fail-on=none")
        return list(answer["results"])

    def _run(self, command: str, url: str, *options: str) -> Any:
        done = subprocess.run(
            [self._program, "db", command, f"--remote={url}?sslmode=disable", "--output-format=json", *options],
            cwd=self._directory,
            env={"PATH": os.environ["PATH"], "HOME": str(self._directory), "SUPABASE_TELEMETRY_DISABLED": "1"},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)
