"""The benchmark works: every row is there. How fast anything is, is nobody's business here."""

import re

import pytest

from tests.benchmarks import export, recall
from tests.benchmarks.__main__ import benchmark
from tests.benchmarks.load import BadAnswerError, Load, Question, run
from tests.benchmarks.pgbench import VARIANTS
from tests.benchmarks.plan import Plan
from tests.benchmarks.scenarios import CREATE, LIST
from tests.benchmarks.servers import APPLICATIONS, instant

TINY = Plan(
    scenarios=(LIST, CREATE),
    tasks=200,
    users=10,
    connections=4,
    warm_up=1,
    rounds=1,
    seconds=0.1,
    pgbench_rounds=1,
    pgbench_transactions=5,
    latency_rounds=1,
    latency_seconds=0.1,
    few_tasks=60,
    many_tasks=600,
    growth_rounds=1,
    growth_users=3,
)
NUMBER = r" +[+-]?[\d,.]+%?"


@pytest.fixture(scope="module")
def report() -> str:
    return "\n".join(benchmark(TINY))


@pytest.mark.parametrize("scenario", [scenario.name for scenario in TINY.scenarios])
def test_each_scenario_is_measured_for_everybody(report: str, scenario: str) -> None:
    for candidate in APPLICATIONS:
        assert len(_rows(report, scenario, candidate, numbers=5)) == 1  # requests/s, p50, p99, CPU, ratio
        assert len(_rows(report, scenario, candidate, numbers=3)) == 1  # p50 near, p50 far, round trips
    for variant in VARIANTS:
        assert len(_rows(report, scenario, variant, numbers=4)) == 1  # no CPU


def test_growth_and_the_load_generator_are_measured(report: str) -> None:
    assert _rows(report, "60 tasks, 20 of each of 3 users", numbers=1)
    assert _rows(report, "600 tasks, 60 of each of 10 users", numbers=2)
    assert re.search(rf"^The load generator itself asks{NUMBER} times a second", report, re.MULTILINE)


@pytest.mark.parametrize(("status", "owner"), [(200, "somebody else"), (201, "00000000-0000-4000-8000-000000000000")])
async def test_a_wrong_answer_is_no_result(status: int, owner: str) -> None:
    question = Question(request="GET / HTTP/1.1\r\n\r\n", owner=owner, status=status)
    with instant() as server:
        server.wait_until_it_listens()
        load = Load(
            port=server.port, process=server.process.pid, questions=[question], connections=1, warm_up=5, seconds=0.01
        )
        with pytest.raises(BadAnswerError):
            await run(load)


def _rows(report: str, *label: str, numbers: int) -> list[str]:
    words = " +".join(map(re.escape, label))
    return re.findall(rf"^{words}(?:{NUMBER}){{{numbers}}}$", report, re.MULTILINE)


def test_exports_are_measured_whole() -> None:
    report = "\n".join(export.benchmark(700))
    for form in export.FORMATS:
        assert len(_rows(report, form, "700", numbers=6)) == 1


def test_recall_is_measured_for_owners_of_every_size() -> None:
    title, _heading, *lines = recall.benchmark(2000)
    assert title.startswith("2,000 tasks of 21 people")
    assert len(lines) == 12
    assert all(re.fullmatch(r" +[\d,]+  (none|a quarter) +(0\.9[5-9]\d|1\.000) +[\d.]+", line) for line in lines), lines
