"""How many worker processes a server starts, as far as one of them can know.

uvicorn and gunicorn read `WEB_CONCURRENCY`, which is a setting of ours too, or an argument, which each worker sees: it
has the command line of its parent. Whoever starts a server from Python with `workers=…` sets `WEB_CONCURRENCY` as well:
that call tells its workers nothing.
"""

import argparse
from collections.abc import Sequence
from typing import Any


def declared_workers(command_line: Sequence[str]) -> dict[str, Any]:
    """`web_concurrency` for `Settings`, if this command line says something about it."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("-w", "--workers")
    try:
        found, _ = parser.parse_known_args(command_line[1:])
    except argparse.ArgumentError:  # the server will complain of it
        return {}
    return {"web_concurrency": found.workers} if found.workers else {}
