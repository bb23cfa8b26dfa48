"""What no test may leave out: `python -m tests.fully_covered .coverage.json` names what none of them has run."""

import json
import sys
from pathlib import Path
from typing import Any

PLACES = ("api_main/auth/", "api_main/core/database.py", "api_main/core/pool.py", "api_main/core/turns.py")


def gaps(files: dict[str, Any]) -> list[str]:
    """A sentence for each file with a line or a branch that no test has run, of those that slipcover reports."""
    reported = {place: [name for name in sorted(files) if place in name] for place in PLACES}
    absent = [f"{place}: nothing is reported" for place, names in reported.items() if not names]
    return absent + [
        f"{name}: lines {files[name]['missing_lines']}, branches {files[name]['missing_branches']}"
        for names in reported.values()
        for name in names
        if files[name]["missing_lines"] or files[name]["missing_branches"]
    ]


if __name__ == "__main__":
    found = gaps(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["files"])
    sys.exit("\n".join(["Not tested:", *found]) if found else 0)
