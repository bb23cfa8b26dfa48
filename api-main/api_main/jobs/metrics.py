"""What a worker tells Prometheus."""

from prometheus_client import Counter, Histogram

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
AGAIN = "again"

JOBS = Counter(
    "jobs_ended",
    "Attempts at jobs by what came of them: succeeded, again (later), or a code of docs/jobs.md.",
    ["kind", "outcome"],
)
JOB_SECONDS = Histogram("job_seconds", "How long an attempt took.", ["kind"], buckets=SECONDS)
