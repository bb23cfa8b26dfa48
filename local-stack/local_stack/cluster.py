"""A new database cluster: encoding, order of text, and a superuser whose password nobody else knows."""

import secrets
import shutil
from pathlib import Path

from local_stack import programs
from local_stack.errors import StartError
from local_stack.server_account import hand_over, server_account

SUPERUSER = "postgres"
AUTHENTICATION = ("--auth-local=scram-sha-256", "--auth-host=scram-sha-256")
# This build has no ICU. The built-in provider orders by code point, the same on every machine.
TEXT = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")


def create_cluster(cluster: Path, *, password_file: Path, log: Path, sync: bool) -> None:
    """Run initdb. What is interrupted leaves nothing that a later start would take for a cluster."""
    unfinished = cluster.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    hand_over(unfinished, server_account())
    _write_password(password_file)
    position = programs.log_size(log)
    what = ["-D", str(unfinished), "-U", SUPERUSER, f"--pwfile={password_file}"]
    how = [*AUTHENTICATION, *TEXT, "--no-instructions", *([] if sync else ["--no-sync"])]
    if programs.spawn([programs.binary("initdb"), *what, *how], log).wait() != 0:
        raise StartError(f"PostgreSQL could not create its data: {programs.complaint(log, position)}.")
    unfinished.rename(cluster)


def _write_password(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(secrets.token_urlsafe(24), encoding="utf-8")
    hand_over(path, server_account())  # initdb reads it
