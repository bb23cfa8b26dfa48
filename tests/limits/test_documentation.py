"""docs/limits.md lists every limit as it is."""

import re
from pathlib import Path

from limits import parse

import api_main.api  # noqa: F401 - the routers declare their limits
from api_main.core.limits.declarations import ELSEWHERE, declared_scopes

PAGE = Path(__file__).resolve().parents[2] / "docs" / "limits.md"


def test_every_limit_is_listed_as_it_is() -> None:
    listed = dict(re.findall(r"^\| `(\w+)` \| (\d+/\w+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    limits = {**ELSEWHERE, **declared_scopes()}
    assert {name: parse(notation) for name, notation in listed.items()} == {
        name: parse(notation) for name, notation in limits.items()
    }
