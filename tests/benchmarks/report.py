"""The tables, as plain text."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import psycopg

from tests.benchmarks.laboratory import OPTIONS, Laboratory
from tests.benchmarks.load import Outcome
from tests.benchmarks.measurements import ONE_WAY, Outcomes
from tests.benchmarks.plan import Plan
from tests.benchmarks.servers import APPLICATIONS, ORDINARY


@dataclass(frozen=True)
class Table:
    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]

    def __str__(self) -> str:
        lines = [self.columns, *self.rows]
        first, *rest = (max(len(line[column]) for line in lines) for column in range(len(self.columns)))
        head, *body = (
            line[0].ljust(first) + "".join(cell.rjust(width + 3) for cell, width in zip(line[1:], rest, strict=True))
            for line in lines
        )
        return "\n".join([self.title, "", head, "-" * len(head), *map(str.rstrip, body), ""])


def machine(laboratory: Laboratory) -> str:
    with psycopg.connect(laboratory.postgres.url()) as admin:
        version = admin.info.parameter_status("server_version")
    load = os.getloadavg()[0]
    options = ", ".join(f"{name} {value}" for name, value in OPTIONS.items())
    return (
        f"{processor()}, {psutil.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB;"
        f" load average {load:.1f} at the start. Load generator, API and Postgres share the cores.\n"
        f"Python {platform.python_version()}, one uvicorn worker (uvloop, httptools), no line of log per request."
        f" PostgreSQL {version} ({options}), Unix socket, 10 connections.\n"
    )


def throughput_table(plan: Plan, scenarios: Mapping[str, Outcomes]) -> Table:
    rows = []
    for scenario, outcomes in scenarios.items():
        ordinary = outcomes[ORDINARY].per_second
        rows += [_throughput_row(scenario, name, one, ordinary) for name, one in outcomes.items()]
    return Table(
        f"{plan.connections} connections, {plan.tasks:,} tasks of {plan.users:,} users, each with a token of their own."
        f" Medians of {plan.rounds} interleaved rounds.",
        ("", "requests/s", "p50 ms", "p99 ms", "API CPU µs", f"{ORDINARY} = 1"),
        rows,
    )


def distance_table(latencies: Mapping[str, Mapping[str, tuple[float, float]]]) -> Table:
    rows = [
        (
            f"{scenario:20}  {name}",
            f"{near:.2f}",
            f"{far:.2f}",
            f"{(far - near) / (2e3 * ONE_WAY):.2f}",
        )
        for scenario, candidates in latencies.items()
        for name, (near, far) in candidates.items()
    ]
    return Table(
        "One connection; a proxy adds 0 or 2 ms to each round trip between the API and Postgres. p50 in ms.",
        ("", "+0 ms", "+2 ms", "round trips"),
        rows,
    )


def growth_table(plan: Plan, outcomes: Outcomes) -> Table:
    few, many = outcomes["few"].p50, outcomes["many"].p50
    each = plan.few_tasks // plan.growth_users
    return Table(
        f"GET /tasks?limit=10 of the same {plan.growth_users} users on one connection, in two databases.",
        ("", "p50 ms", "change"),
        [
            (f"{plan.few_tasks:,} tasks, {each} of each of {plan.growth_users} users", f"{few:.3f}", ""),
            (
                f"{plan.many_tasks:,} tasks, {plan.many_tasks // plan.users:,} of each of {plan.users:,} users",
                f"{many:.3f}",
                f"{many / few - 1:+.1%}",
            ),
        ],
    )


def load_generator_line(outcome: Outcome) -> str:
    return f"The load generator itself asks {outcome.per_second:,.0f} times a second, of a server that answers at once."


def _throughput_row(scenario: str, name: str, outcome: Outcome, ordinary: float) -> tuple[str, ...]:
    return (
        f"{scenario:20}  {name}",
        f"{outcome.per_second:,.0f}",
        f"{outcome.p50:.2f}",
        f"{outcome.p99:.2f}",
        f"{outcome.cpu_microseconds:,.0f}" if name in APPLICATIONS else "",
        f"{outcome.per_second / ordinary:.1f}",
    )


def processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
