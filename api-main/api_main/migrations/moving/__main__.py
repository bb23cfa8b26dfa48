"""`./scripts/move-to-supabase`: copy accounts, profiles and tasks from a standalone database to a Supabase project.

Passwords keep working; sessions end. Rows that are newer on the target stay as they are, so it may run again.
"""

import argparse
import os
import sys

import psycopg

from api_main.migrations.moving.move import Move, Report
from api_main.migrations.moving.tables import CannotMove

FAILED, CONFLICTS = 1, 3
KINDS = {"new": "new", "changed": "changed", "same": "same already", "newer": "newer there"}
EPILOG = """
Addresses are those of administrators: of the project, its `postgres`, directly or through the session pooler.
They may also stand in MOVE_FROM and MOVE_TO, where no list of processes shows their passwords.
Exit codes: 0 all copied; 1 failed, run it again; 3 copied, but for accounts that are in conflict.
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="move-to-supabase", description=__doc__, epilog=EPILOG)
    _add_address(parser, "--from", "source", "MOVE_FROM")
    _add_address(parser, "--to", "target", "MOVE_TO")
    parser.add_argument("--dry-run", action="store_true", help="write nothing, and say what would be copied")
    parser.add_argument("--allow-conflicts", action="store_true", help="exit with 0 in spite of conflicts")
    arguments = parser.parse_args()
    try:
        report = _move(arguments.source, arguments.target, dry_run=arguments.dry_run)
    except (CannotMove, psycopg.Error) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(FAILED)
    _show(report, dry_run=arguments.dry_run)
    sys.exit(CONFLICTS if report.conflicts and not arguments.allow_conflicts else 0)


def _add_address(parser: argparse.ArgumentParser, flag: str, name: str, variable: str) -> None:
    given = os.environ.get(variable)
    parser.add_argument(
        flag, dest=name, default=given, required=given is None, metavar="URL", help=f"or {variable} in the environment"
    )


def _move(source: str, target: str, *, dry_run: bool) -> Report:
    # A pooler in transaction mode has no prepared statements.
    with psycopg.connect(source) as here, psycopg.connect(target, prepare_threshold=None) as there:
        return Move(here, there, dry_run=dry_run).run()


def _show(report: Report, *, dry_run: bool) -> None:
    print("Would copy:" if dry_run else "Copied:")
    print(f"  {'':16}" + "".join(f"{title:>14}" for title in KINDS.values()))
    for table, counts in report.counts.items():
        print(f"  {table:16}" + "".join(f"{counts[kind]:>14,}" for kind in KINDS))
    if report.left_out:
        print(f"Not copied, for the target lacks these columns: {', '.join(report.left_out)}.")
    for conflict in report.conflicts:
        print(f"Left out: {conflict}.", file=sys.stderr)


if __name__ == "__main__":
    main()
