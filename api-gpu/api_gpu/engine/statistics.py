"""Counts and times of one model version, in the form of Triton's statistics extension.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_statistics.md
"""

import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from api_gpu.engine.observer import Batch
from api_gpu.engine.scheduler import Request

NANOSECONDS = 1_000_000_000
COMPUTE = ("compute_input", "compute_infer", "compute_output")
KINDS = ("success", "fail", "queue", *COMPUTE, "cache_hit", "cache_miss")


@dataclass(slots=True)
class Duration:
    count: int = 0
    seconds: float = 0.0

    def add(self, seconds: float) -> None:
        self.count += 1
        self.seconds += seconds

    def as_triton(self) -> dict[str, int]:
        return {"count": self.count, "ns": round(self.seconds * NANOSECONDS)}


@dataclass
class Statistics:
    """Of requests: how long they took in all, waited, and took in each step of a batch. Of batches: how many."""

    name: str
    version: str
    inference_count: int = 0
    execution_count: int = 0
    last_inference: int = 0  # milliseconds since 1970
    _requests: defaultdict[str, Duration] = field(default_factory=lambda: defaultdict(Duration))
    _batches: defaultdict[int, defaultdict[str, Duration]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(Duration))
    )

    def succeed(self, request: Request, inputs: int, seconds: float) -> None:
        """A request of so many inputs has its answer, so many seconds after it arrived."""
        self.inference_count += inputs
        self.last_inference = time.time_ns() // 1_000_000
        self._requests["success"].add(seconds)
        self._requests["queue"].add(request.waited or 0.0)
        self._requests["compute_input"].add(request.load)
        self._requests["compute_infer"].add(request.infer)
        self._requests["compute_output"].add(request.finish)

    def fail(self, seconds: float) -> None:
        """A request failed, so many seconds after it arrived."""
        self._requests["fail"].add(seconds)

    def execute(self, batch: Batch) -> None:
        """A batch has run."""
        self.execution_count += 1
        durations = self._batches[batch.inputs]
        durations["compute_input"].add(batch.load)
        durations["compute_infer"].add(batch.infer)
        durations["compute_output"].add(batch.finish)

    def as_triton(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "version": self.version,
            "last_inference": self.last_inference,
            "inference_count": self.inference_count,
            "execution_count": self.execution_count,
            "inference_stats": {kind: self._requests[kind].as_triton() for kind in KINDS},
            "batch_stats": [
                {"batch_size": size, **{kind: duration.as_triton() for kind, duration in durations.items()}}
                for size, durations in sorted(self._batches.items())
            ],
            "memory_usage": [],
        }
