"""The benchmark of live updates works: every row is there, with numbers."""

import re

from tests.benchmarks.live import QUICK, benchmark


def test_memory_and_delays_are_measured() -> None:
    report = "\n".join(benchmark(QUICK))
    for streams in (QUICK.idle, QUICK.listening):
        assert re.search(rf"^{streams}( +[\d.]+){{4}}$", report, re.MULTILINE), report
