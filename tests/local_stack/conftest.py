"""Folders that PostgreSQL's own account can reach, and servers that DATABASE_URL may name."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_stack import cluster, programs
from local_stack.postgres import EmbeddedPostgres

DEBIAN = Path("/usr/lib/postgresql/15/bin")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Outside pytest's own folder, whose permissions a second pytest on the machine would reset."""
    with tempfile.TemporaryDirectory(prefix="stack-") as name:
        yield Path(name).resolve()


@pytest.fixture(params=[18, 15])
def foreign_postgres(
    request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[EmbeddedPostgres]:
    """A server that we did not start as ours: the wheel's, and Debian's."""
    if request.param == 15:
        if not DEBIAN.exists():
            pytest.skip("Debian's PostgreSQL 15 is not installed (scripts/install-test-tools)")
        monkeypatch.setattr(programs, "binary", lambda name: DEBIAN / name)
        monkeypatch.setattr(cluster, "TEXT", ("--encoding=UTF8", "--locale=C.UTF-8"))
    with EmbeddedPostgres(folder / "foreign", options={"fsync": "off"}) as server:
        monkeypatch.undo()
        yield server
