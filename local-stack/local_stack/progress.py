"""Lines on the terminal: what is being done, and how long it took."""

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence


def say(text: str, end: str = "\n") -> None:
    """Write to the terminal; one that has gone away is no reason to fail."""
    with contextlib.suppress(OSError):
        sys.stdout.write(text + end)
        sys.stdout.flush()


@contextlib.contextmanager
def step(name: str) -> Iterator[None]:
    """Show that a step has begun and, when it is done, its duration."""
    began = time.monotonic()
    say(f"  {name} … ", end="")
    try:
        yield
    except BaseException:
        say("")
        raise
    say(f"{time.monotonic() - began:.1f} s")


def table(rows: Sequence[tuple[str, str]]) -> None:
    """Show names and values in two columns."""
    width = max(len(name) for name, _ in rows)
    say("")
    for name, value in rows:
        say(f"  {name:<{width}}  {value}")
    say("")
