"""How much is measured, and for how long."""

from dataclasses import dataclass

from tests.benchmarks.scenarios import SCENARIOS, Scenario


@dataclass(frozen=True)
class Plan:
    """All times are seconds; `rounds` interleave the candidates, and medians are shown.

    Attributes:
        pgbench_transactions: of each of its clients.
        warm_up: answers before anything is measured, at least; everybody's token is seen once in any case.
    """

    scenarios: tuple[Scenario, ...] = SCENARIOS
    tasks: int = 100_000
    users: int = 1_000
    connections: int = 16
    warm_up: int = 200
    rounds: int = 5
    seconds: float = 2.0
    pgbench_rounds: int = 2
    pgbench_transactions: int = 1_500
    latency_rounds: int = 3
    latency_seconds: float = 1.0
    few_tasks: int = 1_000
    many_tasks: int = 1_000_000
    growth_rounds: int = 7
    growth_users: int = 50


QUICK = Plan(
    tasks=20_000,
    rounds=3,
    seconds=0.5,
    pgbench_rounds=1,
    pgbench_transactions=500,
    latency_rounds=1,
    latency_seconds=0.5,
    many_tasks=100_000,
    growth_rounds=3,
)
