"""`./scripts/bench [--quick] [--tasks N]`: measure, and print tables."""

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

from tests.benchmarks import measurements, report
from tests.benchmarks.laboratory import laboratory
from tests.benchmarks.plan import QUICK, Plan


def benchmark(plan: Plan) -> Iterator[str]:
    """The parts of the report, each as soon as it is known."""
    with laboratory() as lab:
        yield report.machine(lab)
        _say(f"filling {plan.tasks:,} tasks")
        lab.create_database("tasks", users=plan.users, tasks=plan.tasks)
        _say("throughput")
        yield str(report.throughput_table(plan, measurements.throughput(lab, plan)))
        _say("distance")
        yield str(report.distance_table(measurements.distance(lab, plan)))
        _say(f"filling {plan.many_tasks:,} tasks")
        lab.create_database("few", users=plan.growth_users, tasks=plan.few_tasks)
        lab.create_database("many", users=plan.users, tasks=plan.many_tasks)
        _say("growth")
        yield str(report.growth_table(plan, measurements.growth(lab, plan)))
        yield report.load_generator_line(measurements.load_generator(plan))


def _say(step: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {step}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two minutes instead of six: smaller tables, fewer rounds")
    parser.add_argument("--tasks", type=int, help="how many tasks the table holds")
    arguments = parser.parse_args()
    plan = QUICK if arguments.quick else Plan()
    if arguments.tasks:
        plan = replace(plan, tasks=arguments.tasks)
    for part in benchmark(plan):
        print(part, flush=True)


if __name__ == "__main__":
    main()
