"""The gate of `./scripts/test` closes."""

from typing import Any

from tests.fully_covered import PLACES, gaps

WHOLE: dict[str, Any] = {"missing_lines": [], "missing_branches": []}
REPORTED = {f"api-main/{place}{'tokens.py' if place.endswith('/') else ''}": WHOLE for place in PLACES}
A_FILE = "api-main/api_main/auth/tokens.py"


def test_nothing_is_said_of_what_is_tested() -> None:
    assert gaps(REPORTED | {"api-main/api_main/main.py": {"missing_lines": [1], "missing_branches": []}}) == []


def test_each_line_and_each_branch_counts() -> None:
    assert gaps(REPORTED | {A_FILE: WHOLE | {"missing_lines": [7]}}) == [f"{A_FILE}: lines [7], branches []"]
    assert gaps(REPORTED | {A_FILE: WHOLE | {"missing_branches": [[7, 9]]}}) == [
        f"{A_FILE}: lines [], branches [[7, 9]]"
    ]


def test_what_is_not_reported_is_not_tested() -> None:
    assert gaps({}) == [f"{place}: nothing is reported" for place in PLACES]
