"""docs/jobs.md names every kind, every form's choices, and every reason for which a job fails."""

import ast
import re
from pathlib import Path

from api_main.jobs.kinds import KINDS

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "jobs.md").read_text(encoding="utf-8")
JOBS = ROOT / "api-main" / "api_main" / "jobs"
BY_THE_DATABASE = {"worker_lost"}
CHOSEN_AT_RUN_TIME = {"timeout", "internal_error"}


def reasons() -> set[str]:
    """The codes with which the source lets a job fail."""
    calls = [
        node
        for path in JOBS.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "JobFailed"
    ]
    return {str(call.args[0].value) for call in calls if isinstance(call.args[0], ast.Constant)}


def test_every_reason_to_fail_is_documented() -> None:
    documented = set(re.findall(r"^\| `([a-z_]+)` \| [A-Z]", TEXT, re.MULTILINE))
    assert documented == reasons() | BY_THE_DATABASE | CHOSEN_AT_RUN_TIME


def test_every_kind_is_documented() -> None:
    assert re.findall(r"^### `(.+)`$", TEXT, re.MULTILINE) == list(KINDS)
