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
LATENCY = 2  # the column of the log with the microseconds

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


def measure(url: str, scenario: Scenario, variant: str, users: int, seconds: int) -> Outcome:
    """Run one variant and read its log of every transaction."""
    protocol = "simple" if variant == PLAIN else "prepared"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "transaction.sql")
        file.write_text(script(scenario, users, pipelined=variant == PIPELINED), encoding="utf-8")
        how = ["-n", "-M", protocol, "-c", str(CLIENTS), "-T", str(seconds), "-f", str(file), "--log"]
        command = [str(programs.binary("pgbench")), *how, url]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=seconds + 120)
        lines = [line for log in Path(folder).glob("pgbench_log.*") for line in log.read_text().splitlines()]
    percentiles = quantiles([int(line.split()[LATENCY]) / 1e3 for line in lines], n=100)
    return Outcome(
        answers=len(lines), seconds=seconds, p50=percentiles[49], p99=percentiles[98], server_cpu=0, own_cpu=0
    )
