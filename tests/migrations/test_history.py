"""The SQL files and Alembic's revisions are one history, in one line."""

import re
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from api_main.migrations import files
from tests.migrations.databases import ROOT

NAME = re.compile(r"\d{14}_[a-z0-9]+(_[a-z0-9]+)*")
SOURCES = sorted(path.stem for path in files.DIRECTORY.iterdir())
SCRIPTS = ScriptDirectory(str(ROOT / "api-main" / "api_main" / "migrations"))


def test_every_sql_file_has_one_revision_of_the_same_name_and_every_revision_a_file() -> None:
    revisions = [Path(revision.path).stem for revision in SCRIPTS.walk_revisions()]
    assert sorted(revisions) == SOURCES


def test_a_revision_is_called_by_the_timestamp_of_its_file() -> None:
    for revision in SCRIPTS.walk_revisions():
        assert Path(revision.path).stem.startswith(f"{revision.revision}_")


def test_the_history_is_one_line_in_the_order_of_time() -> None:
    line = [revision.revision for revision in SCRIPTS.walk_revisions()]
    assert line == sorted(line, reverse=True)
    assert [revision.down_revision for revision in SCRIPTS.walk_revisions()] == [*line[1:], None]


@pytest.mark.parametrize("name", SOURCES)
def test_a_file_is_named_as_the_supabase_cli_expects(name: str) -> None:
    assert NAME.fullmatch(name)


def test_the_folder_holds_sql_files_alone() -> None:
    assert {path.suffix for path in files.DIRECTORY.iterdir()} == {".sql"}
