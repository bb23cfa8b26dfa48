"""Folders that PostgreSQL's own account can reach, and servers that DATABASE_URL may name."""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_stack import cluster, programs
from local_stack.postgres import EmbeddedPostgres
from tests.local_stack.running import Stack
from tests.postgres_servers import PROGRAMS, require


@pytest.fixture
def folder() -> Iterator[Path]:
    """Outside pytest's own folder, whose permissions a second pytest on the machine would reset."""
    with tempfile.TemporaryDirectory(prefix="stack-") as name:
        yield Path(name).resolve()


@pytest.fixture(scope="session")
def prepared() -> Iterator[Path]:
    """What a first run has left behind. To begin with a copy of it spares a test most of its time."""
    with tempfile.TemporaryDirectory(prefix="prepared-") as name:
        with Stack(Path(name).resolve() / "data").wait_until_shown() as stack:
            assert stack.interrupt() == 0
        yield stack.data


@pytest.fixture
def data(folder: Path, prepared: Path) -> Path:
    """The data directory of a stack that has run before."""
    subprocess.run(["cp", "-a", prepared, folder / "data"], check=True)  # owners and all
    return folder / "data"


@pytest.fixture(params=[18, 15])
def foreign_postgres(
    request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[EmbeddedPostgres]:
    """A server that we did not start as ours: the wheel's, and Debian's."""
    if request.param == 15:
        require(PROGRAMS[15].exists(), "PostgreSQL 15")
        monkeypatch.setattr(programs, "binary", lambda name: PROGRAMS[15] / name)
        monkeypatch.setattr(cluster, "TEXT", ("--encoding=UTF8", "--locale=C.UTF-8"))
    with EmbeddedPostgres(folder / "foreign", options={"fsync": "off"}) as server:
        monkeypatch.undo()
        yield server
