"""Durations as Go writes them: `24h`, `1h30m`, `-1.5s` (https://pkg.go.dev/time#ParseDuration)."""

import re
from datetime import timedelta
from fractions import Fraction

PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
DURATION = re.compile(rf"([+-]?)(0|(?:{PART.pattern})+)")
NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
LONGEST = 2**63 - 1  # nanoseconds in 64 bits: some 292 years
MAX_LENGTH = 100


def parse_duration(text: str) -> timedelta:
    """The time that a Go duration stands for.

    Raises:
        ValueError: it is none, or longer than Go can count.
    """
    found = DURATION.fullmatch(text) if len(text) <= MAX_LENGTH else None
    if found is None:
        raise ValueError("not a duration")
    nanoseconds = sum(Fraction(number) * NANOSECONDS[unit] for number, unit in PART.findall(found[2]))
    if nanoseconds > LONGEST:
        raise ValueError("too long a duration")
    amount = timedelta(microseconds=int(nanoseconds / 1000))
    return -amount if found[1] == "-" else amount
