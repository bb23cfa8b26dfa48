"""The folder that keeps everything between two starts: data, keys, passwords. One instance at a time uses it."""

import contextlib
import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

from local_stack.errors import StartError


@contextlib.contextmanager
def open_data_directory(directory: Path) -> Iterator[None]:
    """Create the folder, readable by its owner alone, and hold its lock.

    The kernel drops the lock when we are gone, however we went; children do not inherit it.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StartError(f"DATA_DIR {directory} cannot be written: {error.strerror}.") from None
    try:
        _lock(lock, directory)
        yield
    finally:
        os.close(lock)


def _lock(lock: int, directory: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise StartError(
            f"Another instance runs in {directory}: stop it, or set PORT and DATA_DIR for a second one."
        ) from None


def keep_secret(path: Path, make: Callable[[], str] = lambda: secrets.token_urlsafe(24)) -> str:
    """Return the text of a file that its owner alone can read, made once and kept from then on."""
    if not path.exists():
        unfinished = path.with_suffix(".unfinished")
        unfinished.unlink(missing_ok=True)
        unfinished.touch(mode=0o600)
        unfinished.write_text(make(), encoding="utf-8")
        unfinished.rename(path)
    return path.read_text(encoding="utf-8")
