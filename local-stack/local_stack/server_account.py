"""The account that PostgreSQL runs under: whoever we are, or an unprivileged one where we are root.

PostgreSQL refuses to run as root, in containers as much as anywhere.
"""

import os
import pwd
import stat
import subprocess
from pathlib import Path
from typing import Any

from local_stack.errors import StartError

ACCOUNT = "pgserver"


def server_account() -> pwd.struct_passwd | None:
    """Return the account to switch to, made on first use, or None where no switch is needed."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(ACCOUNT)
    except KeyError:
        _create_account()
        return pwd.getpwnam(ACCOUNT)


def _create_account() -> None:
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/bin/false", ACCOUNT]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        raise StartError(
            f"PostgreSQL does not run as root, and the account {ACCOUNT} could not be created for it: "
            "create it, or start as an ordinary user."
        ) from None


def popen_account(account: pwd.struct_passwd | None) -> dict[str, Any]:
    """Return the arguments of `subprocess.Popen` that switch to the account."""
    if account is None:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def hand_over(path: Path, account: pwd.struct_passwd | None) -> None:
    """Make the account the owner of the path."""
    if account is not None:
        os.chown(path, account.pw_uid, account.pw_gid)


def allow_traversal(path: Path) -> None:
    """Let everybody pass through the directories above a path, where they cannot yet, and nothing more."""
    for directory in path.resolve().parents:
        mode = stat.S_IMODE(directory.stat().st_mode)
        if not mode & stat.S_IXOTH:
            directory.chmod(mode | stat.S_IXOTH)
