"""The parent's lines, in the form of the server's: JSON, or words for a terminal."""

import contextlib
import json
import sys
from datetime import UTC, datetime


class Log:
    """Writes to standard output. A reader that has gone away is no reason to fail."""

    def __init__(self, form: str) -> None:
        self._as_json = form == "json" or (form == "auto" and not sys.stdout.isatty())

    def __call__(self, event: str, *, level: str = "info", **fields: object) -> None:
        at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        if self._as_json:
            line = json.dumps({**fields, "event": event, "level": level, "timestamp": at})
        else:
            line = " ".join([at, f"[{level}]", event, *(f"{name}={value}" for name, value in fields.items())])
        with contextlib.suppress(OSError):
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
