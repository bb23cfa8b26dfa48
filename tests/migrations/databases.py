"""Bring databases to a state, by the tools that a user has, and look at what came of it."""

import os
import subprocess
import sys
from contextlib import chdir
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.config import main as alembic_main

from api_main.migrations.setup import PRELUDE
from local_stack import programs
from tests.patience import PATIENCE

ROOT = Path(__file__).resolve().parents[2]
ALEMBIC = Path(sys.executable).with_name("alembic")


def run_prelude(url: str) -> None:
    """What a Supabase project has from the start."""
    with psycopg.connect(url) as connection:
        connection.execute(PRELUDE.read_bytes())


def alembic(url: str, *arguments: str) -> subprocess.Popen[str]:
    """Start Alembic's own command in the root of the repository, as its readers are told to."""
    return subprocess.Popen(
        [ALEMBIC, *arguments],
        cwd=ROOT,
        env={**os.environ, "MIGRATION_DATABASE_URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def outcome(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for a program, and return its exit code with what it said."""
    said, _ = process.communicate(timeout=PATIENCE)
    return process.returncode, said


def upgrade(url: str) -> None:
    """Run the command here: to start a process takes longer than to migrate."""
    with pytest.MonkeyPatch.context() as patch, chdir(ROOT):
        patch.setenv("MIGRATION_DATABASE_URL", url)
        alembic_main(["upgrade", "head"])


def check(url: str) -> tuple[int, str]:
    return outcome(alembic(url, "check"))


def rows(url: str, query: str, *values: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode(), values).fetchall()


def history(url: str) -> list[tuple[Any, ...]]:
    """What both tools have entered: version, name, and the statements that ran."""
    return rows(url, "select version, name, statements from supabase_migrations.schema_migrations order by version")


def schema(url: str) -> str:
    """The whole schema as SQL, grants and owners included, but for the tools' own history."""
    options = ["--schema-only", "--exclude-schema=supabase_migrations", "--restrict-key=none"]
    command = [str(programs.binary("pg_dump")), *options, url]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout
