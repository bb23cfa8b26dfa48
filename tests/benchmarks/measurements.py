"""What is measured. Candidates take turns, round after round, so that a noisy moment meets all of them alike."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from statistics import median

from tests.benchmarks import pgbench
from tests.benchmarks.dataset import callers
from tests.benchmarks.laboratory import Laboratory, ask
from tests.benchmarks.load import Outcome, Question
from tests.benchmarks.plan import Plan
from tests.benchmarks.scenarios import LIST, Scenario
from tests.benchmarks.servers import APPLICATIONS, OURS, Server, instant

ONE_WAY = 0.001  # seconds: 2 ms for a round trip

Outcomes = dict[str, Outcome]
"""By candidate."""


def throughput(laboratory: Laboratory, plan: Plan) -> dict[str, Outcomes]:
    """The medians of each scenario: all candidates, and Postgres alone, at full load."""
    people = callers(plan.users, laboratory.signing_keys)
    with ExitStack() as stack:
        servers = {name: stack.enter_context(laboratory.api(name, "tasks")) for name in APPLICATIONS}
        return {
            scenario.name: {
                **_in_turns(
                    servers,
                    [scenario.question(one) for one in people],
                    connections=plan.connections,
                    warm_up=plan.warm_up,
                    rounds=plan.rounds,
                    seconds=plan.seconds,
                ),
                **_postgres_alone(laboratory, scenario, plan),
            }
            for scenario in plan.scenarios
        }


def distance(laboratory: Laboratory, plan: Plan) -> dict[str, dict[str, tuple[float, float]]]:
    """The median latency of one caller, in ms: without and with a delay between the API and Postgres."""
    people = callers(plan.growth_users, laboratory.signing_keys)
    with ExitStack() as stack:
        servers = {
            f"{name} {delay}": stack.enter_context(laboratory.distant_api(name, "tasks", delay))
            for name in APPLICATIONS
            for delay in (0, ONE_WAY)
        }
        latencies = {}
        for scenario in plan.scenarios:
            questions = [scenario.question(one) for one in people]
            outcomes = _one_after_another(servers, questions, plan, plan.latency_rounds)
            latencies[scenario.name] = {
                name: (outcomes[f"{name} 0"].p50, outcomes[f"{name} {ONE_WAY}"].p50) for name in APPLICATIONS
            }
        return latencies


def growth(laboratory: Laboratory, plan: Plan) -> Outcomes:
    """The list of the same users, for one caller, out of a small table and out of a large one."""
    people = callers(plan.growth_users, laboratory.signing_keys)
    with ExitStack() as stack:
        servers = {name: stack.enter_context(laboratory.api(OURS, name)) for name in ("few", "many")}
        questions = [LIST.question(one) for one in people]
        return _one_after_another(servers, questions, plan, plan.growth_rounds)


def load_generator(plan: Plan) -> Outcome:
    """How much the load generator itself can ask."""
    question = Question(
        request="GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", owner="00000000-0000-4000-8000-000000000000"
    )
    with instant() as server:
        return ask(server, [question], connections=plan.connections, warm_up=plan.warm_up, seconds=plan.seconds)


def _one_after_another(
    servers: Mapping[str, Server], questions: Sequence[Question], plan: Plan, rounds: int
) -> Outcomes:
    """For latencies: one caller, who waits for each answer."""
    return _in_turns(
        servers, questions, connections=1, warm_up=plan.warm_up, rounds=rounds, seconds=plan.latency_seconds
    )


def _in_turns(
    servers: Mapping[str, Server],
    questions: Sequence[Question],
    *,
    connections: int,
    warm_up: int,
    rounds: int,
    seconds: float,
) -> Outcomes:
    outcomes = defaultdict(list)
    for number in range(rounds):
        answers = warm_up if number else max(warm_up, len(questions) + connections)
        for name, server in servers.items():
            outcome = ask(server, questions, connections=connections, warm_up=answers, seconds=seconds)
            outcomes[name].append(outcome)
    return {name: _median(found) for name, found in outcomes.items()}


def _postgres_alone(laboratory: Laboratory, scenario: Scenario, plan: Plan) -> Outcomes:
    outcomes = defaultdict(list)
    for _round in range(plan.pgbench_rounds):
        for variant in pgbench.VARIANTS:
            url = laboratory.login_url("tasks")
            outcomes[variant].append(pgbench.measure(url, scenario, variant, plan.users, plan.pgbench_transactions))
    return {variant: _median(found) for variant, found in outcomes.items()}


def _median(outcomes: Sequence[Outcome]) -> Outcome:
    dumps = [outcome.model_dump() for outcome in outcomes]
    return Outcome(**{name: median(dump[name] for dump in dumps) for name in dumps[0]})
