"""Go's durations: what its own parser takes, and no more."""

from datetime import timedelta

import pytest

from api_main.auth.durations import parse_duration

GOOD = {
    "0": timedelta(0),
    "-0": timedelta(0),
    "5s": timedelta(seconds=5),
    "+5s": timedelta(seconds=5),
    "-5s": timedelta(seconds=-5),
    "1h2m3s": timedelta(hours=1, minutes=2, seconds=3),
    "1.h": timedelta(hours=1),
    ".5h": timedelta(minutes=30),
    "1us2\u00b5s3\u03bcs": timedelta(microseconds=6),
    "1500ns": timedelta(microseconds=1),
    "3s5m": timedelta(minutes=5, seconds=3),
    "2562047h": timedelta(hours=2562047),
}
BAD = ["", "none", "5", "-", "s", ".s", "1d", "1h ", " 1h", "1 h", "1H", "1h-2m", "--1h", "1e3s", "\u0661s", "2562048h"]


@pytest.mark.parametrize("text", GOOD)
def test_what_go_takes_is_taken(text: str) -> None:
    assert parse_duration(text) == GOOD[text]


@pytest.mark.parametrize("text", [*BAD, "9" * 99 + "h", "1s" * 60, "1h\n"], ids=ascii)
def test_what_go_refuses_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)
