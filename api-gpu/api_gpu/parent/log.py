"""The parent's lines, in the form of the server's: JSON, or words for a terminal."""

import json
import sys
from datetime import UTC, datetime


class Log:
    """Writes to standard error. A reader that has gone away is no reason to fail."""

    def __init__(self, *, json_lines: bool) -> None:
        self._json = json_lines

    def __call__(self, event: str, **fields: object) -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        if self._json:
            line = json.dumps({"timestamp": at, "level": "info", "logger": "api_gpu.parent", "event": event, **fields})
        else:
            line = " ".join([at, event, *(f"{name}={value}" for name, value in fields.items())])
        try:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()
        except OSError:
            pass
