"""The benchmark of api-gpu works: every row is there, with numbers."""

import re

from tests.benchmarks.gpu import benchmark


def test_sleep_and_throughput_are_measured() -> None:
    report = "\n".join(benchmark(quick=True))
    for row in ("asleep, to the first embedding, s", "memory asleep, MiB", "memory awake, after 32 texts at once, MiB"):
        assert re.search(rf"^{re.escape(row)} +[\d,.]+ +[\d,.]+ +[\d,.]+$", report, re.MULTILINE), report
    assert "padded batches of 32" in report
