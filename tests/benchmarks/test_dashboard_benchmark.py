"""The benchmark of the dashboard works: every row is there, with numbers."""

import re

from tests.benchmarks.dashboard import benchmark


def test_counting_the_cache_and_writes_are_measured() -> None:
    report = "\n".join(benchmark(users=10, tasks=100, rounds=2))
    for row in (
        "everybody's, counted, as noted",
        "everybody's, counted, added up",
        "one's own, counted",
        "everybody's, from the cache, the whole request",
        "one's own, from the cache, the whole request",
        "with",
        "without",
    ):
        assert re.search(rf"^{re.escape(row)} +[\d.]+ +[\d.]+$", report, re.MULTILINE), report
