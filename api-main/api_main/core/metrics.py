"""What this process counts for Prometheus (docs/observability.md lists it all). Each number is kept where it happens.

Labels come from short lists: a path is its route's template, and what has none is `unmatched`.
"""

from typing import NamedTuple

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

# `…_created` would be a second series for each, which nobody reads.
disable_created_metrics()  # type: ignore[no-untyped-call]

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"
UNMATCHED = "unmatched"
NOT_ANSWERED = "none"

REQUESTS = Counter("http_requests", "Requests that came to an end.", ["method", "route", "status"])
REQUEST_SECONDS = Histogram(
    "http_request_seconds", "From a request's arrival until its answer began.", ["method", "route"], buckets=SECONDS
)
IN_FLIGHT = Gauge("http_requests_in_flight", "Requests that are being answered, open streams included.")
ERRORS = Counter("http_errors", "Errors answered, by their code in docs/errors.md.", ["code"])
STATEMENT_SECONDS = Histogram(
    "database_statement_seconds", "Statements of RlsReader and of RlsSession.", ["door"], buckets=SECONDS
)
SLOW_STATEMENTS = Counter("database_slow_statements", "Statements that took SLOW_QUERY_MS or longer.", ["door"])
CACHE_READS = Counter("cache_reads", "Reads of the cache: found in this process, or looked for elsewhere.", ["found"])
CACHE_LOADS = Counter("cache_loads", "Times that the source was read, for neither this process nor Redis had it.")
SECURITY_EVENTS = Counter("security_events", "What the log `security` tells, such as sign_in_failed.", ["event"])


class _Children(NamedTuple):
    requests: Counter
    seconds: Histogram


class RequestMeter:
    """Counts requests. What Prometheus' client finds for labels is kept: looking it up is most of its cost."""

    def __init__(self) -> None:
        self.in_flight = 0
        self._children: dict[tuple[str, str, int], _Children] = {}

    def ended(self, method: str, route: str, status: int, seconds: float) -> None:
        """`route` is a template; `status` is 0 where the caller went before there was an answer."""
        self.in_flight -= 1
        if method not in METHODS:
            method = OTHER
        children = self._children.get((method, route, status)) or self._meet(method, route, status)
        children.requests.inc()
        children.seconds.observe(seconds)

    def _meet(self, method: str, route: str, status: int) -> _Children:
        children = _Children(
            REQUESTS.labels(method, route, str(status) if status else NOT_ANSWERED),
            REQUEST_SECONDS.labels(method, route),
        )
        self._children[method, route, status] = children
        return children


METER = RequestMeter()
IN_FLIGHT.set_function(lambda: METER.in_flight)
