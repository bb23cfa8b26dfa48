"""What goes over the wire about the database."""

from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, Field


class PoolMetrics(BaseModel):
    """The connections of the process that answers. Each process of the API has its own."""

    min: int = Field(description="Kept open: `DATABASE_POOL_MIN`")
    max: int = Field(description="Opened at most: `DATABASE_POOL_MAX`")
    size: int = Field(description="Open now")
    in_use: int
    idle: int
    waiting: int = Field(description="Requests that wait for a connection")
    overflow: int = Field(description="Open beyond `min`: closed again when they are not needed")
    requests: int = Field(description="Times that a connection was asked for")
    requests_queued: int = Field(description="Times that none was free at once")
    wait_seconds: float = Field(description="What those waited, all together")
    timeouts: int = Field(description="Times that none came free in time: each a 503")
    connections_lost: int

    @classmethod
    def of(cls, statistics: Mapping[str, int]) -> Self:
        """From what the pool counts."""
        known = statistics.get
        size, idle, least = known("pool_size", 0), known("pool_available", 0), known("pool_min", 0)
        return cls(
            min=least,
            max=known("pool_max", 0),
            size=size,
            in_use=max(0, size - idle),
            idle=idle,
            waiting=known("requests_waiting", 0),
            overflow=max(0, size - least),
            requests=known("requests_num", 0),
            requests_queued=known("requests_queued", 0),
            wait_seconds=known("requests_wait_ms", 0) / 1000,
            timeouts=known("requests_errors", 0),
            connections_lost=known("connections_lost", 0),
        )


class Statement(BaseModel):
    """A statement in all its calls. Times are in milliseconds."""

    query: str = Field(description="Its text, each parameter as `$1`, `$2`, …")
    calls: int
    rows: int
    mean_ms: float
    max_ms: float
    total_ms: float


class Statements(BaseModel):
    available: bool = Field(description="Whether the server counts: `pg_stat_statements` is loaded and installed")
    slowest: list[Statement] = Field(description="By their mean time; empty where nobody counts")


class DatabaseMetrics(BaseModel):
    pool: PoolMetrics
    statements: Statements
