"""`./scripts/bench gpu [--quick]`: what sleeping costs and saves, and how many texts a second api-gpu embeds."""

import argparse
import asyncio
import os
import platform
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from api_gpu.engine import EngineSettings
from tests.benchmarks import gpu_sleep, gpu_throughput
from tests.benchmarks.report import Table, processor

COLD_STARTS, QUICK_COLD_STARTS = 9, 2
QUICK_TEXTS = 32


def benchmark(*, quick: bool = False) -> Iterator[str]:
    """The parts of the report, each as soon as it is known. DEVICE, PRECISION and THREADS hold as ever."""
    starts = QUICK_COLD_STARTS if quick else COLD_STARTS
    device, load = os.environ.get("DEVICE", "auto"), os.getloadavg()[0]
    yield (
        f"{processor()}, {psutil.cpu_count()} cores, Python {platform.python_version()}, DEVICE={device};"
        f" load average {load:.1f} at the start.\n"
    )
    with tempfile.TemporaryDirectory(prefix="bench-gpu-") as name:
        cache = Path(name)
        rows = gpu_sleep.measure(cache, rounds=starts)
        yield str(Table(f"Sleep, over {starts} cold starts with the model cached.", gpu_sleep.COLUMNS, rows))
        yield str(_throughput(cache, quick=quick))


def _throughput(cache: Path, *, quick: bool) -> Table:
    settings = EngineSettings(
        models_dir=cache / "none",
        cache_dir=cache,
        device=os.environ.get("DEVICE", "auto"),  # type: ignore[arg-type]
        precision=os.environ.get("PRECISION", "fp32"),  # type: ignore[arg-type]
        threads=int(os.environ.get("THREADS", "0")),
    )
    count, rounds = (QUICK_TEXTS, 1) if quick else (gpu_throughput.TEXTS, gpu_throughput.ROUNDS)
    rows = asyncio.run(gpu_throughput.measure(settings, count=count, rounds=rounds))
    return Table(f"{count} texts of mixed length, medians of {rounds} rounds.", gpu_throughput.COLUMNS, rows)


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench gpu", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer starts and texts")
    for part in benchmark(quick=parser.parse_args().quick):
        print(part, flush=True)


if __name__ == "__main__":
    main()
