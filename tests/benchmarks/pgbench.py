"""Postgres alone: the same transaction from `pgbench`, which is C and knows no HTTP. The ceiling.

https://www.postgresql.org/docs/current/pgbench.html
"""

import subprocess
import tempfile
from pathlib import Path
from statistics import quantiles

from api_main.core.prelude import PRELUDE
from local_stack import programs
from tests.benchmarks.dataset import PUBLIC_URL
from tests.benchmarks.load import Outcome
from tests.benchmarks.scenarios import Scenario

CLIENTS = 10  # as many as the API has connections
CLAIMS = f"""format(
  '{{"iss":"{PUBLIC_URL}/auth/v1","sub":"%s","aud":"authenticated","exp":1800000000,"iat":1790000000,'
  '"role":"authenticated","session_id":"1b671a64-40d5-491e-99b0-da01ff1f3341"}}', md5('user ' || :user)::uuid)"""
# Columns of the log: microseconds that it took, and when it ended, in seconds and microseconds.
LATENCY, SECOND, MICROSECOND = 2, 4, 5

PLAIN = "pgbench, plain"
PREPARED = "pgbench, prepared"
PIPELINED = "pgbench, pipelined"
VARIANTS = [PLAIN, PREPARED, PIPELINED]


def script(scenario: Scenario, users: int, *, pipelined: bool) -> str:
    """The transaction: four round trips, or one."""
    prelude = PRELUDE
    for number, value in enumerate(["'authenticated'", CLAIMS, "'8s'", "'on'" if scenario.reads else "'off'", "''"], 1):
        prelude = prelude.replace(f"${number}", value)
    begin, end = (r"\startpipeline", r"\endpipeline") if pipelined else ("begin;", "commit;")
    return "\n".join([rf"\set user random(1, {users})", begin, f"{prelude};", f"{scenario.sql};", end, ""])


def measure(url: str, scenario: Scenario, variant: str, users: int, transactions: int) -> Outcome:
    """Run one variant, with so many transactions of each client, and read its log of them all."""
    protocol = "simple" if variant == PLAIN else "prepared"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "transaction.sql")
        file.write_text(script(scenario, users, pipelined=variant == PIPELINED), encoding="utf-8")
        how = ["-n", "-M", protocol, "-c", str(CLIENTS), "-t", str(transactions), "-f", str(file), "--log"]
        command = [str(programs.binary("pgbench")), *how, url]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
        lines = [line.split() for log in Path(folder).glob("pgbench_log.*") for line in log.read_text().splitlines()]
    return _outcome([int(line[LATENCY]) for line in lines], [_ended(line) for line in lines])


def _ended(line: list[str]) -> int:
    return int(line[SECOND]) * 1_000_000 + int(line[MICROSECOND])


def _outcome(took: list[int], ended: list[int]) -> Outcome:
    """All in microseconds."""
    percentiles = quantiles([each / 1e3 for each in took], n=100)
    began = min(end - each for end, each in zip(ended, took, strict=True))
    return Outcome(
        answers=len(took),
        seconds=(max(ended) - began) / 1e6,
        p50=percentiles[49],
        p99=percentiles[98],
        server_cpu=0,
        own_cpu=0,
    )
